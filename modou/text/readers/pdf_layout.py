"""The lines of a PDF page in reading order, from the places of its characters."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

CHARACTERS = 200_000
"""Characters of a page that are read, at most."""
FOOT = -2
"""Number of the column of lines that stand apart below the text."""
MARK, MARK_END = "\x0e", "\x0f"
"""Enclose small raised signs, such as the marks of footnotes, in the text of a line."""

_SHOWN = {0x02: "-", 0xFFFE: "-", 0xA0: " ", **dict.fromkeys((0x00, 0x0E, 0x0F), "\ufffd")}
"""What the library gives for a hyphen at a line's end, a space, and characters without a meaning."""
_MARK_SIGNS = frozenset("0123456789*†‡§¹²³⁴⁵⁶⁷⁸⁹⁰")
_WIDE = ("\u2e80", "\ua4cf")
_SEGMENT = 1.2
"""Heights of a line between two characters that belong to different columns, at least."""
_EDGES = 4
"""Parts of lines above or below the text that are looked at."""
_COLUMN_LINES, _STARTS, _DEPTH = 4, 40, 3
_COLUMN_WIDTH = 0.25
"""Share of the width of the text that is a column, at least."""
_FULL_WIDTH = 0.3
"""Share of the lines of a page in columns that run across them, at most."""


_Char = tuple[str, float, float, float, float, float]
"""(character, left, bottom, right, top, size of its font); "" is a gap for which the file has no space."""


@dataclass
class PageLine:
    """A line. Lengths in points; `first`: width of its first word, or of its first character in Chinese."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    column: int = 0
    """Lines of one column that follow one another have the same number."""
    first: float = 0.0
    size: float = 0.0
    """That of its font; 0 if it is not known."""

    @property
    def height(self) -> float:
        """Distance of its top from its bottom."""
        return self.top - self.bottom


@dataclass
class _Segment:
    """Characters on one base line without a wide gap, as (character, left, right, size)."""

    left: float
    right: float
    bottom: float
    top: float
    chars: list[tuple[str, float, float, float]] = field(default_factory=list[tuple[str, float, float, float]])

    def overlaps(self, bottom: float, top: float) -> bool:
        """Whether a height range is on its base line."""
        shared = min(self.top, top) - max(self.bottom, bottom)
        return shared > 0.4 * min(self.top - self.bottom, top - bottom)


def page_lines(textpage: Any, raw: Any) -> list[PageLine]:
    """The lines of a page. `raw`: the module pypdfium2.raw."""
    chars = list(_characters(textpage, raw))
    if _runs_otherwise(chars):
        return list(_in_cells(textpage.get_text_range(count=min(textpage.count_chars(), CHARACTERS))))
    head, text, foot = _edges(_segments(chars))
    columns = [(-1, head), *enumerate(_columns(text)), (FOOT, foot)]
    return [_line(group, number) for number, column in columns for group in _joined(column)]


def _characters(textpage: Any, raw: Any) -> Iterator[_Char]:
    box, matrix, handle = raw.FS_RECTF(), raw.FS_MATRIX(), textpage.raw
    unicode, place, generated = raw.FPDFText_GetUnicode, raw.FPDFText_GetLooseCharBox, raw.FPDFText_IsGenerated
    waiting, extent, size = "", (0.0, 0.0), 0.0
    for index in range(min(textpage.count_chars(), CHARACTERS)):
        code = unicode(handle, index)
        if 0x02 < code <= 0x20 and generated(handle, index):
            if code == 0x20:
                yield "", 0.0, 0.0, 0.0, 0.0, 0.0
            continue
        char = _SHOWN.get(code) or chr(code)
        if 0xD800 <= code < 0xE000:  # a character beyond U+FFFF comes in halves
            if not waiting:
                waiting = char
                continue
            char = (waiting + char).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        waiting = ""
        if place(handle, index, box):
            if extent != (box.bottom, box.top):
                extent = (box.bottom, box.top)
                scale = math.hypot(matrix.c, matrix.d) if raw.FPDFText_GetMatrix(handle, index, matrix) else 1.0
                size = raw.FPDFText_GetFontSize(handle, index) * scale
            yield _letters(char), box.left, box.bottom, box.right, box.top, size


def _runs_otherwise(chars: list[_Char]) -> bool:
    """Whether most characters do not stand to the right of the one before: a text from right to left, from top to
    bottom, or on a page turned by a quarter."""
    placed = [char for char in chars if char[0].strip()]
    right = sum(two[1] > one[1] and abs(two[2] - one[2]) < one[4] - one[2] for one, two in pairwise(placed))
    return 2 * right < len(placed) - 1


def _in_cells(text: str) -> Iterator[PageLine]:
    """The lines of such a page as the library finds them, in cells of one point by ten."""
    for place, line in enumerate(text.replace("\ufffe", "-\n").split("\n")):
        if shown := line.strip():
            first = 1 if _is_wide(shown[0]) else len(shown.split(maxsplit=1)[0])
            yield PageLine(shown, 0, len(shown), -12.0 * place, -12.0 * place + 10, 0, first)


def _letters(char: str) -> str:
    """The letters of a ligature; the ideograph of a radical, which some fonts have in its place."""
    if char >= "\u2f00" and ("\ufb00" <= char <= "\ufb06" or "\u2f00" <= char <= "\u2fd5"):
        return unicodedata.normalize("NFKC", char)
    return char


def _segments(chars: Iterable[_Char]) -> list[_Segment]:
    found = list[_Segment]()
    spaced = gap = False
    last, place = None, (0.0, 0.0)
    for char, left, bottom, right, top, size in chars:
        if not char or char.isspace():
            spaced, gap = spaced or bool(char), True
            continue
        height = top - bottom
        reach = height if last is None or height > last.top - last.bottom else last.top - last.bottom
        same = last is not None and ((bottom, top) == place or last.overlaps(bottom, top))
        if last is None or not same or not -reach <= left - last.right <= _SEGMENT * reach:
            last = _Segment(left, right, bottom, top)
            found.append(last)
        elif spaced or (gap and not (_is_wide(char) and _is_wide(last.chars[-1][0]))):
            last.chars.append((" ", last.right, left, size))
        spaced = gap = False
        place = (bottom, top)
        if height > last.top - last.bottom:
            last.bottom, last.top = bottom, top
        last.left, last.right = min(last.left, left), max(last.right, right)
        last.chars.append((char, left, right, size))
    return found


def _is_wide(char: str) -> bool:
    return _WIDE[0] <= char[:1] <= _WIDE[1] or "\uff00" <= char[:1] <= "\uffef"


def _gutter(segments: list[_Segment]) -> float | None:
    """The place between two columns, or None: both are wide, stand beside each other, and few lines run across."""
    if len(segments) < 2 * _COLUMN_LINES:
        return None
    width = max(one.right for one in segments) - min(one.left for one in segments)
    starts = Counter(round(one.left) for one in segments)
    best, most = None, _COLUMN_LINES - 1
    for start, _ in starts.most_common(_STARTS):
        place = start - 1.0
        left = [one for one in segments if one.right <= place]
        right = [one for one in segments if one.left >= place]
        across = len(segments) - len(left) - len(right)
        if min(len(left), len(right)) <= most or across > _FULL_WIDTH * len(segments):
            continue
        if any(median(one.right - one.left for one in side) < _COLUMN_WIDTH * width for side in (left, right)):
            continue
        if min(one.bottom for one in left) < max(one.top for one in right):
            best, most = place, min(len(left), len(right))
    return best


def _columns(segments: list[_Segment], depth: int = _DEPTH) -> list[list[_Segment]]:
    """The columns, in reading order: a line that runs across several of them ends those above it."""
    gutter = _gutter(segments) if depth else None
    if gutter is None:
        return _by_stream(segments)
    place = {id(one): number for number, one in enumerate(segments)}
    found, across = list[list[_Segment]](), list[_Segment]()
    sides: tuple[list[_Segment], list[_Segment]] = ([], [])
    for one in [*sorted(segments, key=lambda one: -one.bottom), None]:
        if one is not None and (one.right <= gutter or one.left >= gutter):
            sides[one.left >= gutter].append(one)
            continue
        if any(sides):
            across = list[_Segment]()
        for side in sides:
            found += _columns(sorted(side, key=lambda other: place[id(other)]), depth - 1)
            side.clear()
        if one is not None:
            if not across:
                found.append(across)
            across.append(one)
    return found


def _by_stream(segments: list[_Segment]) -> list[list[_Segment]]:
    """Segments in the order of the file; one that stands above the one before it begins a column."""
    found = list[list[_Segment]]()
    for one in segments:
        if not found or one.bottom > found[-1][-1].top:
            found.append([])
        found[-1].append(one)
    return found


def _edges(segments: list[_Segment]) -> tuple[list[_Segment], list[_Segment], list[_Segment]]:
    """What stands apart above the text, the text, and what stands apart below it, wherever the file has them."""
    ordered = sorted(segments, key=lambda one: -one.top)
    first, last = 0, len(ordered)
    lowest = 0.0
    for place, one in enumerate(ordered[:_EDGES], 1):
        lowest = one.bottom if place == 1 else min(lowest, one.bottom)
        if place < last and ordered[place].top < lowest - (one.top - one.bottom):
            first = place
    ordered = [*ordered[:first], *sorted(ordered[first:], key=lambda one: -one.bottom)]
    highest = 0.0
    for place in range(last - 1, max(first, last - 1 - _EDGES), -1):
        one = ordered[place]
        highest = one.top if place == len(ordered) - 1 else max(highest, one.top)
        if ordered[place - 1].bottom > highest + (one.top - one.bottom):
            last = place
    apart = {id(one) for one in (*ordered[:first], *ordered[last:])}
    return ordered[:first], [one for one in segments if id(one) not in apart], ordered[last:]


def _joined(column: list[_Segment]) -> Iterator[list[_Segment]]:
    """The segments of each line of a column, from left to right."""
    group = list[_Segment]()
    for one in column:
        if group and not group[-1].overlaps(one.bottom, one.top):
            yield sorted(group, key=lambda other: other.left)
            group = []
        group.append(one)
    if group:
        yield sorted(group, key=lambda other: other.left)


def _line(group: list[_Segment], column: int) -> PageLine:
    tallest = max(group, key=lambda one: one.top - one.bottom)
    chars = [char for one in group for char in ((" ", one.left, one.left, 0.0), *one.chars)][1:]
    sizes = Counter(round(char[3], 1) for char in chars if char[0] != " ")
    usual = sizes.most_common(1)[0][0] if sizes else 0.0
    text = "".join(
        f"{MARK}{char}{MARK_END}" if size < 0.75 * usual and char in _MARK_SIGNS else char for char, _, _, size in chars
    ).replace(MARK_END + MARK, "")
    end = next((place for place, char in enumerate(chars) if char[0] == " " or _is_wide(char[0])), len(chars) - 1)
    left, right = min(one.left for one in group), max(one.right for one in group)
    return PageLine(text, left, right, tallest.bottom, tallest.top, column, chars[end][2] - left, usual)
