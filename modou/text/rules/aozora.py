"""Remove the markup of Aozora Bunko and of Japanese web novels: readings, editors' notes, explanation, colophon."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from modou.text.examples import around
from modou.text.headings import Heading
from modou.text.readers.file import Line
from modou.text.report import RuleReport
from modou.text.rules import removed

_AHEAD_LINES, _AHEAD_CHARACTERS = 1000, 1 << 16
"""How far a document is searched for the markup."""
_LEAST = 3
"""Readings that make a document one with markup, if it has nothing else of it."""
_KANJI = r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff々〆〇ヶ仝]"
_NOTE = re.compile(r"※?［＃[^］]*］")
_BASED = r"[｜|](?P<base>[^《》｜|]{1,40})《[^》]{1,60}》"
_READING = re.compile(rf"{_BASED}|(?<={_KANJI})《[\u3041-\u30ff\s・＝]{{1,40}}》")
_ANY_READING = re.compile(rf"{_BASED}|(?<=\S)《[^》]{{1,60}}》")
"""Where editors' notes prove that it is Aozora's markup: there 《》 encloses nothing but readings."""
_GLYPH = re.compile(r"U\+(?P<code>[0-9A-Fa-f]{4,6})|(?P<plane>[12])-(?P<row>\d{1,2})-(?P<cell>\d{1,2})\D*$")
_DASHES = re.compile(r"\s*[-‐―─ー]{10,}\s*")
_EXPLAINS = re.compile(r"《》：|テキスト中に現れる記号")
_EXPLANATION_LINES = 60
_COLOPHON = re.compile(r"\s*底本\s*[：:]")


def apply(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Lines without markup. A document without it is as it was: in Chinese 《》 encloses a title."""
    source = iter(lines)
    opening = _opening(source)
    text = chain(opening, source)
    reading = _markup(opening)
    if reading is None:
        yield from text
        return
    for line in _without_explanation(text, tally):
        if isinstance(line, str) and _COLOPHON.match(line):
            yield from removed(chain([line], text), tally)
        elif isinstance(line, Heading) or tally.keeps(line):
            yield line
        else:
            plain = _NOTE.sub(lambda found: _replaced(found, _glyph(found.group()), tally), line)
            plain = reading.sub(lambda found: _replaced(found, found["base"] or "", tally), plain)
            if plain.strip() or not line.strip():
                yield plain


def _opening(source: Iterator[Line]) -> list[Line]:
    lines: list[Line] = []
    size = 0
    for line in source:
        lines.append(line)
        size += len(line) if isinstance(line, str) else 0
        if len(lines) == _AHEAD_LINES or size > _AHEAD_CHARACTERS:
            break
    return lines


def _markup(lines: Iterable[Line]) -> re.Pattern[str] | None:
    """The form of readings in this document; None if it has no markup."""
    readings = 0
    for line in lines:
        if isinstance(line, str) and ("《" in line or "［＃" in line):
            if "［＃" in line or _EXPLAINS.match(line):
                return _ANY_READING
            readings += sum(_LEAST if found["base"] else 1 for found in _READING.finditer(line))
    return _READING if readings >= _LEAST else None


def _without_explanation(lines: Iterator[Line], tally: RuleReport) -> Iterator[Line]:
    """Remove the block between two lines of dashes that explains the marks."""
    for line in lines:
        if not isinstance(line, str) or not _DASHES.fullmatch(line):
            yield line
            continue
        block: list[Line] = [line]
        for following in lines:
            block.append(following)
            closed = isinstance(following, str) and _DASHES.fullmatch(following)
            if closed or len(block) > _EXPLANATION_LINES:
                break
        texts = [item for item in block if isinstance(item, str)]
        explains = any(_EXPLAINS.search(text) for text in texts)
        if explains and _DASHES.fullmatch(texts[-1]) and len(texts) == len(block):
            yield from removed(texts, tally)
        else:
            yield from block


def _replaced(found: re.Match[str], after: str, tally: RuleReport) -> str:
    tally.touch(found.group(), after, example=around(found.string, *found.span(), after))
    return after


def _glyph(note: str) -> str:
    """What stands for a note: the character that it describes by its code (※［＃…、U+303B、12-3］) or by its place in
    JIS X 0213 (※［＃…、1-2-22］), ※ if it gives neither; nothing for any other note."""
    if not note.startswith("※"):
        return ""
    found = _GLYPH.search(note)
    try:
        if found and found["code"]:
            glyph = chr(int(found["code"], 16))
        elif found:
            place = bytes(0xA0 + int(found[name]) for name in ("row", "cell"))
            glyph = (b"\x8f" * (found["plane"] == "2") + place).decode("euc_jis_2004")
        else:
            glyph = "※"
    except ValueError:
        return "※"
    return glyph if glyph.isprintable() else "※"
