"""Abbreviations and ordinal numbers, whose full stop does not end a sentence."""

import re
import unicodedata

_LONGEST = 24
"""Characters before a full stop that are examined."""
_WORDS = {
    "English": "Mr Mrs Ms Dr St Prof Sr Jr vs etc No Vol Capt Col Gen Lt Sgt Rev Hon Messrs Mme Mlle Mt Esq Co Inc Fig"
    " Eq pp cf viz",
    "German": "bzw usw ca Hr Fr Nr Str Bd Kap vgl evtl ggf inkl zzgl bzgl sog Abb Jh Mio Mrd geb gest Hrsg Tel Anm",
    "French": "MM Mmes Mlles Mgr éd chap av apr env",
    "Spanish and Portuguese": "Sra Srta Sres Dra Ud Uds Vd Vds Dña núm pág págs sr sra dr dra Exmo Exma Av Lic",
    "Italian and Dutch": "Sig Sigg Dott Avv sig sigg dott avv pag ecc dhr mevr bijv enz",
    "Russian": "гг вв др пр ул им стр рис см ср напр проф акад тов руб коп тыс св доц гл обл",
    "Hindi": "डॉ प्रो पं श्री",
}
_ABBREVIATIONS = frozenset(word for words in _WORDS.values() for word in words.split())
_WORD = re.compile(r"[^\s(\[“”‘’„‚\"'«»‹›—–/-]*$")
_DOTTED = re.compile(r"[^\W\d_]{1,3}(?:\.-?[^\W\d_]{1,2})+")
_SINGLE_WORDS = frozenset("aя")
"""Words of one letter that may end a sentence."""
_SYLLABLES = re.compile("[\u0900-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts whose words may be one character long."""
_ORDINAL = re.compile(r"(?:^|\s)(?:[Dd]er|[Dd]as|dem|den|[Ii]m|[Vv]om|[Zz]um|[Zz]ur|[Bb]eim|bis|[Ss]eit)\s\d{1,2}$")
_AFTER_ORDINAL = re.compile(
    r"\s(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Jahrhundert"
    r"|Jahrestag|Geburtstag|Tag|Woche|Mal|Weltkrieg|Stock|Etage|Kapitel|Band|Teil|Akt|Szene|Klasse|Auflage)"
)


def is_abbreviation(text: str, stop: int) -> bool:
    """Whether the full stop at `text[stop]` belongs to an abbreviation, an initial or a German ordinal number."""
    near = text[max(0, stop - _LONGEST) : stop]
    found = _WORD.search(near)
    word = found.group() if found else ""
    if word in _ABBREVIATIONS or _DOTTED.fullmatch(word):
        return True
    if len(word) == 1 and word.isalpha():
        return _is_initial(word)
    # German: der 2. Versuch, am 3. Mai
    return word.isdecimal() and len(word) <= 2 and bool(_ORDINAL.search(near) or _AFTER_ORDINAL.match(text, stop + 1))


def _is_initial(letter: str) -> bool:
    """Whether a single letter before a full stop is an initial or a symbol (p. 5, 5 г.), not a word."""
    if letter.islower():
        return letter not in _SINGLE_WORDS and (
            letter.isascii() or unicodedata.name(letter, "").startswith(("CYRILLIC", "GREEK"))
        )
    return not _SYLLABLES.match(letter)
