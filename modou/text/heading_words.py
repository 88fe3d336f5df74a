"""Headings that consist of a word for chapter or part, in many languages, and a number: "Глава 1", "Erstes Kapitel".

English and Chinese have patterns of their own in modou.text.headings.
"""

import re
from dataclasses import dataclass

from modou.text.numerals import value

_CHAPTER = (
    "chap ch глава глави розділ раздел поглавље kapitel kap chapitre capítulo capitulo capitolo capítol hoofdstuk"
    " rozdział rozdzial kapitola poglavlje fejezet capitolul kapittel luku bölüm bab chương κεφάλαιο κεφαλαιο الفصل"
    " فصل अध्याय অধ্যায় פרק peatükk nodaļa skyrius caput ตอนที่ บทที่ 장 화 회"
)
_PART = (
    "часть частина том книга део teil buch partie livre tome parte libro livro volumen deel boek część tom księga díl"
    " část rész osa kısım phần quyển bagian μέρος βιβλίο الجزء الباب भाग חלק ภาคที่ ภาค 부 편 권 막"
)
_OPENING = (
    "пролог эпилог предисловие послесловие введение prolog epilog vorwort nachwort einleitung prólogo epílogo prefacio"
    " prefácio introducción introdução prologue épilogue préface avant-propos postface prologo epilogo prefazione"
    " introduzione proloog epiloog voorwoord przedmowa önsöz プロローグ エピローグ まえがき あとがき 幕間 프롤로그"
    " 에필로그 머리말 맺음말 외전 บทนำ บทส่งท้าย مقدمة خاتمة प्रस्तावना उपसंहार πρόλογος επίλογος"
)
_OPENINGS = frozenset(_OPENING.split())
_INITIALS = frozenset(word[0] for word in _OPENINGS)
_UNITS = {word: unit for unit, words in (("chapter", _CHAPTER), ("part", _PART)) for word in words.split()}
# Thai writes word and number together, Korean number and word.
_TOGETHER = re.compile(
    r"(?P<thai>บทที่|ตอนที่|ภาคที่)\s*(?P<one>\d{1,4})(?!\w)(?P<rest>.*)"
    r"|제?\s?(?P<two>\d{1,4})\s?(?P<korean>[장부편화회권막])(?!\w)(?P<more>.*)"
)
_NAMED = re.compile(r"(?P<word>[^\W\d_][\w-]{1,12})\s*(?:[.:：—–-]+\s*(?P<title>[^.。]{1,40}))?[.:：]?")
# Any word of letters and vowel signs may be an ordinal.
_ORDINAL = re.compile(r"[^\W\d_][^\d_\s.,;:!?]*")
_MARKS = ".:：,،)-–—·"
_LONGEST = 80
_TITLE = 60


@dataclass(frozen=True)
class Worded:
    """A word, its number's value (None: an ordinal that is not known) and a title."""

    unit: str
    """"chapter", "part", or "opening": a prologue or the like, without a number."""
    word: str
    value: int | None
    title: str


def worded(text: str) -> Worded | None:
    """Parse a line; None if it is no such heading."""
    if len(text) > _LONGEST:
        return None
    text = text.lstrip("# \t")
    if text[:1].islower():
        return None
    found = _TOGETHER.match(text)
    if found:
        word, number = found["thai"] or found["korean"], found["one"] or found["two"]
        return _checked(word, number, found["rest"] or found["more"] or "")
    opening = _NAMED.fullmatch(text) if text[:1].casefold() in _INITIALS else None
    if opening and opening["word"].casefold() in _OPENINGS:
        return Worded("opening", opening["word"], None, opening["title"] or "")
    words = text.split(maxsplit=2)
    if len(words) < 2:
        return None
    first, second, rest = words if len(words) == 3 else (*words, "")
    for word, numeral, behind in ((first, second, second), (second, first, second)):
        if word.casefold().rstrip(_MARKS) in _UNITS:
            marks = behind[len(behind.rstrip(_MARKS)) :]
            return _checked(word.rstrip(_MARKS), numeral.rstrip(_MARKS), f"{marks} {rest}" if rest else "")
    return None


def _checked(word: str, numeral: str, behind: str) -> Worded | None:
    """`behind`: what follows word and number, with the marks between."""
    title = behind.lstrip(f"{_MARKS} ")
    marked = behind.strip()[:1] in _MARKS if title else True
    number = value(numeral)
    if number is None and (title or not _ORDINAL.fullmatch(numeral)):
        return None
    if title and (
        len(title) > _TITLE or title[-1] in ",;،。" or (not marked and (title[0].islower() or title[-1] == "."))
    ):
        return None
    return Worded(_UNITS[word.casefold()], word.casefold(), number, title)
