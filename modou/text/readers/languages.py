"""The likelihood of a text under unigram statistics of languages (languages.toml): which decoding of bytes is a text."""

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import exp, log
from pathlib import Path

WORD = 2.0
"""Log ratio of a frequent word in its own language to other languages."""
SWITCH = -5.0
"""Log-likelihood of a word in another script than the word before it."""

_WORDS = re.compile(r"[^\W\d_]+")
_ASCII_LETTER = re.compile(r"[a-z]")
_AROUND = 20
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# The most that frequent words of ASCII count against another language of Latin script, and of another script.
_BOUND, _FOREIGN = 20 * WORD, 3 * WORD
# Punctuation and signs of all languages: frequency in a thousand characters.
_SIGNS = {
    **dict.fromkeys("’“”—–«»", 3.0),
    **dict.fromkeys("„‘…\xa0", 1.5),
    **dict.fromkeys("‚°§•€£¿¡ºª©·", 0.2),
    **dict.fromkeys("®™½¼¾×±²³´†‹›¢\xad№―☆★→", 0.03),
}
_DASHES = frozenset("–—")
_OPENING, _CLOSING = frozenset("¿¡„‚"), frozenset("…”™®°²³ªº")
# Scripts by the first word of a letter's Unicode name; all others are taken together.
_SCRIPTS = frozenset(("LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI", "CJK", "HIRAGANA", "KATAKANA", "HANGUL"))
# Log probability of a character that no statistics list, by kind. Letters of cp1252 come before those of rarer pages.
_RARE = {"western": -9.0, "letter": -11.0, "syllable": -14.5, "ideograph": -16.0, "sign": -10.5, "drawing": -13.0}
_NEVER = {"replaced": -16.0, "control": -14.0, "unassigned": -18.0}
_WESTERN = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüßœ")
# A level 1 character of its national standard, and one of level 2.
_LEVELS = (log(4e-5), log(2e-6))


@dataclass(frozen=True)
class Language:
    """Log probabilities of characters outside ASCII and of an ASCII letter, and the most frequent words."""

    name: str
    letters: Mapping[str, float]
    plain: float
    words: frozenset[str]


@dataclass(frozen=True)
class Likelihood:
    """Natural log-likelihood of the characters outside ASCII, how many they are, and the language it is best in."""

    total: float
    characters: int
    language: str


def likelihood(text: str, among: Iterable[str] = ()) -> Likelihood:
    """The greatest log-likelihood of a text over languages, all of them unless some are named.

    Each character outside ASCII counts with its unigram frequency in the language; pairs that no orthography has
    (scripts mixed in a word, a capital after a small letter, a sign within a word) count against the text, frequent
    words for the language. ASCII counts nothing: all encodings share it.
    """
    text = unicodedata.normalize("NFC", text)
    # Python's lower case of İ is two characters.
    lower = text.replace("İ", "ı").lower()
    counts = Counter(_NOT_ASCII.findall(lower))
    spelled = _WORDS.findall(lower)
    words = Counter(spelled)
    hits: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for word, count in words.items():
        for name in _index().get(word, ()):
            (plain if word.isascii() else hits)[name] += count if len(word) > 1 else count / 2
    best_plain = max(plain.values(), default=0)
    kinds = {char: _kind(char) for char in counts}
    total = sum(counts.values())
    # Where letters outside ASCII are rare they may be names: the rest of the text tells little of their language.
    ascii_letters = min(len(_ASCII_LETTER.findall(lower)), _AROUND * total)
    best, language = -1e30, ""
    for name in among or languages():
        found = languages()[name]
        score = sum(count * found.letters.get(char, kinds[char]) for char, count in counts.items())
        score += WORD * hits[name]
        if found.plain:
            score += ascii_letters * found.plain - min(WORD * (best_plain - plain[name]), _BOUND)
        else:
            score -= min(WORD * best_plain, _FOREIGN)
        if score > best:
            best, language = score, name
    scripts = [_script(word[0]) for word in spelled]
    switches = sum(before != after for before, after in zip(scripts, scripts[-1:] + scripts[:-1], strict=True))
    return Likelihood(best + _pairs(text) + SWITCH * switches, total, language)


@cache
def languages() -> dict[str, Language]:
    """All languages by name."""
    data = tomllib.loads(Path(__file__).with_name("languages.toml").read_text(encoding="utf-8"))
    found: dict[str, Language] = {}
    signs = {char: log(count / 1000) for char, count in _SIGNS.items()}
    for name, entry in data["alphabetic"].items():
        letters = {item[0]: log(float(item[1:]) / 1000) for item in entry["letters"].split()}
        words = frozenset(entry["words"].replace("ş", "ș").replace("ţ", "ț").split() + entry["words"].split())
        plain = log(max(0.5, 1 - sum(map(exp, letters.values()))))
        found[name] = Language(name, signs | letters, plain if any(map(str.isascii, words)) else 0.0, words)
    for name, entry in data["ideographic"].items():
        ranked = {char: chance for group in entry["groups"] for char, chance in _zipf(**group)}
        found[name] = Language(name, signs | _standard(entry["standard"]) | ranked, 0.0, frozenset())
    return found


def _zipf(share: float, ranked: str) -> Iterable[tuple[str, float]]:
    """Log probabilities by rank, after the law of Zipf and Mandelbrot."""
    weights = [1 / (rank + 8) for rank in range(len(ranked))]
    return ((char, log(share * weight / sum(weights))) for char, weight in zip(ranked, weights, strict=True))


def _standard(codec: str) -> dict[str, float]:
    """The characters of a national standard: those of level 1, which are common, and those of level 2."""
    first, last, end = {"gb2312": (0xB0, 0xD7, 0xF7), "big5": (0xA4, 0xC6, 0xF9)}.get(codec, (0xB0, 0xCF, 0xF4))
    if codec == "euc_kr":
        last = 0xC8
    trails = (*range(0x40, 0x7F), *range(0xA1, 0xFF)) if codec == "big5" else range(0xA1, 0xFF)
    return {
        char: _LEVELS[lead > last]
        for lead in range(first, end + 1)
        for trail in trails
        if len(char := bytes((lead, trail)).decode(codec, "ignore")) == 1
    }


@cache
def _index() -> dict[str, tuple[str, ...]]:
    """The languages of each frequent word."""
    found: dict[str, tuple[str, ...]] = {}
    for language in languages().values():
        for word in language.words:
            found[word] = (*found.get(word, ()), language.name)
    return found


@cache
def _kind(char: str) -> float:
    """Log probability of a character outside ASCII in a language that does not use it."""
    category = unicodedata.category(char)
    if char == "\ufffd":
        return _NEVER["replaced"]
    if category == "Cc":
        return _NEVER["control"]
    if category in ("Cn", "Co", "Cs"):
        return _NEVER["unassigned"]
    if category[0] in "LM":
        script = _script(char)
        if script == "CJK":
            return _RARE["ideograph"]
        if script in ("HANGUL", "other"):
            return _RARE["syllable"]
        return _RARE["western" if char in _WESTERN else "letter"]
    return _RARE["drawing" if "\u2500" <= char <= "\u259f" else "sign"]


@cache
def _script(char: str) -> str:
    name = unicodedata.name(char, "").split(" ")[0]
    return name if name in _SCRIPTS else "other"


def _pairs(text: str) -> float:
    """Log-likelihood of neighbours, counted where one is outside ASCII."""
    pairs = Counter(zip(text, text[1:], strict=False))
    return sum(count * _pair(*pair) for pair, count in pairs.items() if pair[0] > "\x7f" or pair[1] > "\x7f")


@cache
def _joins(char: str) -> bool:
    """Whether a character is part of a word."""
    return unicodedata.category(char)[0] in "LM"


@cache
def _pair(left: str, right: str) -> float:
    """Log-likelihood of one character after another, by letter case, script and kind alone."""
    if not _joins(right):
        if not _joins(left) or right in _CLOSING:
            return 0.0
        return _sign_beside(right, left) - 2.0 * right.isdigit()
    if not _joins(left):
        if unicodedata.category(right)[0] == "M":
            return -5.0
        beside = _sign_beside(left, right) if left not in _OPENING else 0.0
        return beside - right.isupper() - 2.0 * left.isdigit()
    scripts = {_script(left), _script(right)}
    if len(scripts) > 1 and not scripts <= {"CJK", "HIRAGANA", "KATAKANA"}:
        return -6.0
    if right.isupper():
        return -0.1 if left.isupper() else -5.0
    return 0.0


def _sign_beside(sign: str, letter: str) -> float:
    """Log-likelihood of a sign outside ASCII that touches a letter."""
    if sign <= "\x7f":
        return 0.0
    if sign in _DASHES:
        return -1.5
    if "\u3000" <= sign <= "\u303f" or "\uff00" <= sign <= "\uff65":
        return -5.0 if _script(letter) == "LATIN" else 0.0
    if sign in _CLOSING or sign in _OPENING or unicodedata.category(sign) in ("So", "Sm", "Sc", "Sk", "No", "Pi"):
        return -3.0
    return 0.0
