"""Recognise candidates for chapter headings line by line; `survey` decides by the whole document."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from modou.settings.text import Layout
from modou.text.heading_words import worded
from modou.text.numerals import CHINESE, WRITTEN, value
from modou.text.sentences import ends_sentence

Form = Literal["bare", "title", "glued", "inline"]
"""bare = the label alone; title = label, separator, title; glued = label and title without a separator;
inline = the label shares its line with the text of the chapter."""

_NUMERAL = rf"[0-9０-９{CHINESE}]{{1,9}}"
_UNIT = r"[回章节節段卷集部篇话話折幕场場]"
_LABEL = re.compile(
    rf"(?P<mark>#{{1,6}}\s*)?(?P<prefix>[^\s，。！？：；、“”‘’\"'()（）]{{0,12}}?[\s]*)[【\[（(]?"
    rf"(?P<label>第\s*(?P<number>{_NUMERAL})\s*(?P<unit>{_UNIT})|卷[之第]?{_NUMERAL}(?=$|[\s：:、.．·]))"
    r"[】\]）)]?(?P<separator>\s*[：:、.．·—–-]+\s*|\s+|)(?P<rest>.*)",
    re.DOTALL,
)
_OPENING = re.compile(
    r"(?P<mark>#{1,6}\s*)?[【\[（(]?(?P<label>楔子|引子|序幕|序章|序言|自序|前言|引言|尾声|尾聲|后记|後記|终章|終章|尾章|附录|附錄|跋|序"
    rf"|番外[篇章]?(?:{_NUMERAL})?|[上中下]卷|[上下][部篇])[】\]）)]?(?P<separator>\s*[：:、.．·—–-]+\s*|\s+|)(?P<rest>.*)",
    re.DOTALL,
)
_ENGLISH_NUMBER = rf"(?:\d{{1,4}}|[IVXLCDM]{{1,9}}|[ivxlcdm]{{1,9}}|(?i:{WRITTEN}|(?:the\s+)?last))"
_ENGLISH = re.compile(
    rf"(?P<mark>#{{1,6}}\s*)?(?:(?:BOOK|Book|VOL\w*\.?|Vol\w*\.?)\s+{_ENGLISH_NUMBER}[\s,.:–—-]+(?=(?i:chapter)))?"
    r"(?P<label>(?:CHAPTER|Chapter|chapter|BOOK|Book|PART|Part|VOLUME|Volume|VOL\.|Vol\.|SECTION|Section"
    rf"|CANTO|Canto|ACT|Act|SCENE|Scene|STAVE|Stave|LETTER|Letter)\s+{_ENGLISH_NUMBER})(?![\w'’])"
    r"(?P<separator>\s*[.:—–-]+\s*|\s+|)(?P<rest>.*)",
    re.DOTALL,
)
_ENGLISH_OPENING = re.compile(
    r"(?P<mark>#{1,6}\s*)?(?P<label>PROLOGUE|Prologue|EPILOGUE|Epilogue|PREFACE|Preface|FOREWORD|Foreword|AFTERWORD"
    r"|Afterword|INTRODUCTION|Introduction|CONTENTS|Contents)(?P<separator>\s*[.:—–-]+\s*|)(?P<rest>.*)",
    re.DOTALL,
)
_INITIALS = frozenset("ABCEFILPSVc")
"""Of the words of _ENGLISH and _ENGLISH_OPENING."""
# 第三回合, 第二部分, 第三集团, 第一节课, 第一段落: the unit is the first character of another word.
_OTHER_WORD = frozenset("合分队隊团團课課落程时時间間里中内內以之的是在和与與有，。、；！？")
_SENTENCE_END = ("。", "；", "，", "、", ",", ";")
_STOPS = re.compile(r"[。，；：！？,;:!?“”\"「」]")
_COUPLET = re.compile(r"((?:[^\s，。！？：；、“”‘’\"]{4,16}[ \t\u3000]+){1,2})(?=\S.{40})", re.DOTALL)
_TITLE_LIMIT = 50
_HINT = re.compile("[第卷序楔引尾后後终終番附跋自前上中下]")
_SMALL_WORDS = 3
MARKS = "☆★◆◇■●※*＊<>〈〉、 "
"""Ornaments around a heading; none begins or ends in a comma or a space without one."""


@dataclass(frozen=True)
class Heading:
    """Start of a chapter. `text`: the heading that was removed; None if the chapter has none. `layout`: what the
    chapter's lines are."""

    text: str | None
    layout: Layout = "prose"


@dataclass(frozen=True)
class Candidate:
    """A line that looks like a heading: `heading` would be removed, `rest` kept."""

    form: Form
    heading: str
    rest: str
    unit: str
    number: str
    prefix: str
    title: str
    value: int | None = None
    """The number's value, if it is known."""

    @property
    def latin(self) -> bool:
        """Whether it begins with a Latin letter."""
        first = self.heading.lstrip("# ")[:1]
        return first.isascii() and first.isalpha()


def candidate(line: str) -> Candidate | None:
    """Parse a line as a heading, ignoring surrounding white space; None if it does not look like one."""
    text = line.strip()
    if len(text) < 1 or text[0] in "“”‘’\"'":
        return None
    if text[0] in MARKS:
        found = candidate(text.strip(MARKS))
        return replace(found, heading=text) if found and not found.rest else None
    first = text[:120]
    # Two cheap tests exclude most lines before the patterns run.
    if _HINT.search(first, 0, 24):
        found = _chinese(text)
        if found:
            return found
    if first.lstrip("# \t")[:1] in _INITIALS:
        found = _english(text)
        if found:
            return found
    other = worded(text)
    if other:
        return Candidate(
            "title" if other.title else "bare", text, "", other.unit, other.word, "", other.title, other.value
        )
    return None


def _chinese(text: str) -> Candidate | None:
    found = _LABEL.match(text)
    if found:
        unit, number = found["unit"] or "卷", found["number"] or ""
        numeral = number or found["label"].lstrip("卷之第")
        prefix = found["prefix"].strip()
        if prefix.endswith(("在", "到", "看", "的", "是", "这", "那", "了", "从", "于", "把", "见", "于是")):
            return None
    else:
        found, unit, number, numeral, prefix = _OPENING.match(text), "opening", "", "", ""
        if not found:
            return None
        if not found["separator"] and found["rest"]:
            return None
    separator, rest = found["separator"], found["rest"]
    label = text[: found.start("separator")]

    def make(form: Form, heading: str, kept: str, title: str) -> Candidate:
        return Candidate(form, heading, kept, unit, number, prefix, title, value(numeral))

    if not rest:
        return make("bare", text, "", "")
    if separator and len(text) <= _TITLE_LIMIT and not rest.endswith(_SENTENCE_END) and "。" not in rest:
        return make("title", text, "", rest)
    if separator.isspace():
        titles = _COUPLET.match(rest)
        cut = titles.end() if titles else 0
        heading = label + separator + rest[:cut]
        return make("inline", heading, rest[cut:], rest[:cut].strip())
    if not separator and len(text) <= 30 and rest[0] not in _OTHER_WORD and not _STOPS.search(rest):
        return make("glued", text, "", rest)
    return None


def _english(text: str) -> Candidate | None:
    found = _ENGLISH.match(text) or _ENGLISH_OPENING.match(text)
    if not found or len(text) > 100:
        return None
    separator, rest, label = found["separator"], found["rest"].strip(), found["label"]
    word, _, numeral = label.partition(" ")
    unit, number = (word.casefold().rstrip("."), value(numeral)) if numeral else ("opening", None)
    if not rest:
        return Candidate("bare", text, "", unit, label, "", "", number)
    if rest.endswith((",", ";")) or not separator:
        return None
    # "Part I read yesterday." versus "Part I The Island": without punctuation the rest must look like a title.
    if separator.isspace() and not looks_like_title(rest):
        return None
    if len(rest) > 60 and rest.endswith("."):
        return None
    return Candidate("title", text, "", unit, label, "", rest, number)


def looks_like_title(text: str) -> bool:
    """Whether a text is in title case, or without case, and does not end a sentence."""
    words = [word for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)?", text) if len(word) > _SMALL_WORDS]
    begins = text[:1].isalpha() and not text[0].islower()
    return (
        begins and not text.endswith((".", ",", ";", "。", "，", "；")) and not any(word[0].islower() for word in words)
    )


def is_chinese_title(text: str, half: str) -> bool:
    """Whether the line after a heading belongs to it: a title, or the second half of a couplet.

    `half`: the title on the heading's own line ("" for none).
    """
    if not text or len(text) > 40 or _STOPS.search(text) or ends_sentence(text) or text.isascii() or candidate(text):
        return False
    return not half or (len(text) == len(half) and not any(char.isspace() for char in half))
