"""Headings, paragraphs and footnotes of a PDF page, from its lines."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from modou.text.headings import Heading
from modou.text.readers.file import Reading
from modou.text.readers.pdf_layout import FOOT, MARK, MARK_END, PageLine
from modou.text.sentences import ends_sentence, joint
from modou.text.wrapping import HYPHENS, Hyphens

_LARGE, _SMALL = 1.13, 0.9
"""Size of headings and of footnotes, as a share of that of the text."""
_HEADING_LINES, _HEADING = 4, 160
_TITLE_LINES = 4
_LEADING = 1.4
"""Distance of two lines that ends a paragraph, in usual distances."""
_LONG = 0.6
"""Share of the width of a column from which a line may be one that was broken early."""
_NOTE = re.compile(rf"{MARK}?(?:[\d*†‡§¹²³⁴⁵⁶⁷⁸⁹⁰①-⑳]|\[\d)")
_MARKED = re.compile(f"{MARK}([^{MARK_END}]*){MARK_END}")
_ITEM = re.compile(r"(?:[-•·*–▪◦]|\(?\d{1,3}[.)、])\s")
_PAGE_NUMBER = re.compile(r"[\W_]*(?:\d{1,4}|[ivxlc]{1,7})[\W_]*")


@dataclass(frozen=True)
class PageStyle:
    """What is usual in a document. `size`: of its text, in points; `titles`: of the headings in its outline, without
    white space, by page."""

    size: float
    hyphens: Hyphens
    titles: dict[int, set[str]]


@dataclass(frozen=True)
class _Margins:
    left: float
    right: float
    leading: float


def page_text(lines: list[PageLine], page: int, style: PageStyle, reading: Reading) -> list[str | Heading]:
    """The page's headings and paragraphs, with blank lines where it has gaps."""
    notes = _notes(lines, style.size)
    for line in notes:
        reading.aside("footnotes", _unmarked(line.text))
    apart = {id(line) for line in notes}
    body = [line for line in lines if id(line) not in apart]
    for line in body:
        if notes:
            for mark in _MARKED.findall(line.text):
                reading.aside("footnote_marks", mark)
            line.text = _MARKED.sub("", line.text)
        line.text = _unmarked(line.text)
    return list(_paragraphs(body, style.titles.get(page, set()), style, reading))


def usual_size(pages: list[list[PageLine]]) -> float:
    """The size in which most characters of some pages are set."""
    sizes = Counter[float]()
    for lines in pages:
        for line in lines:
            sizes[round(line.size * 2) / 2] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _unmarked(text: str) -> str:
    return text.replace(MARK, "").replace(MARK_END, "")


def _notes(lines: list[PageLine], size: float) -> list[PageLine]:
    """The footnotes: small lines at the foot of the page or of a column, the first of which begins with a mark."""
    found = list[PageLine]()
    for _, group in groupby(lines, key=lambda line: line.column):
        foot = list(group)
        while foot and _PAGE_NUMBER.fullmatch(_unmarked(foot[-1].text)):
            foot.pop()
        small = len(foot)
        while small and foot[small - 1].size <= _SMALL * size:
            small -= 1
        marked = next((at for at in range(small, len(foot)) if _NOTE.match(foot[at].text)), len(foot))
        if small or (foot[:1] and foot[0].column == FOOT):
            found += foot[marked:]
    return found


def _paragraphs(lines: list[PageLine], titles: set[str], style: PageStyle, reading: Reading) -> Iterator[str | Heading]:
    margins = _margins(lines)
    text, last = "", None
    place = 0
    while place < len(lines):
        line = lines[place]
        title = _title(lines, place, titles, style.size)
        if title:
            if text:
                yield text
            yield Heading(_together(lines[place : place + title], style.hyphens, reading))
            place += title
            text, last = "", None
            continue
        if last is not None and _continues(last, line, margins):
            text = _join(text, line.text, style.hyphens, reading)
        else:
            if text:
                yield text
            if last is not None and _gap(last, line, margins):
                yield ""
            text = line.text
        last = line
        place += 1
    if text:
        yield text


def _margins(lines: list[PageLine]) -> dict[int, _Margins]:
    """Margins and usual distance of lines, by column; those of the page for lines apart from its text."""
    found = dict[int, _Margins]()
    for column, group in groupby(lines, key=lambda line: line.column):
        members = list(group) if column >= 0 else lines
        size = usual_size([members])
        main = [line for line in members if abs(line.size - size) <= 0.1 * size] or members
        height = main[0].height
        left = min(_frequent([line.left for line in main], height / 2))
        right = max(_frequent([line.right for line in main], height / 2))
        steps = [one.bottom - two.bottom for one, two in pairwise(main) if one.bottom > two.bottom]
        found[column] = _Margins(left, right, median(steps) if steps else 1.2 * height)
    return found


def _frequent(places: list[float], within: float) -> list[float]:
    """The places near which there are others; all of them if there are none."""
    ordered = sorted(places)
    near = [
        place
        for at, place in enumerate(ordered)
        if any(abs(ordered[other] - place) <= within for other in (at - 1, at + 1) if 0 <= other < len(ordered))
    ]
    return near or places


def _title(lines: list[PageLine], place: int, titles: set[str], size: float) -> int:
    """Number of lines from `place` on that are a heading: of the outline, or larger than the text."""
    flat = ""
    for count, line in enumerate(lines[place : place + _TITLE_LINES], 1):
        flat += "".join(line.text.split())
        if flat in titles and line.column != FOOT:
            return count
    count = 0
    for line in lines[place : place + _HEADING_LINES + 1]:
        first = lines[place]
        near = not count or 0 < lines[place + count - 1].bottom - line.bottom < 2 * first.size
        if line.size <= _LARGE * size or abs(line.size - first.size) > 0.1 * first.size or not near:
            break
        count += 1
    length = sum(len(line.text) for line in lines[place : place + count])
    has_letters = any(char.isalpha() for char in lines[place].text)
    return count if count <= _HEADING_LINES and length <= _HEADING and has_letters else 0


def _together(lines: list[PageLine], hyphens: Hyphens, reading: Reading) -> str:
    text = lines[0].text
    for line in lines[1:]:
        text = _join(text, line.text, hyphens, reading)
    return text


def _gap(last: PageLine, line: PageLine, margins: dict[int, _Margins]) -> bool:
    step = last.bottom - line.bottom
    return last.column == line.column and step > _LEADING * margins[line.column].leading


def _continues(last: PageLine, line: PageLine, margins: dict[int, _Margins]) -> bool:
    """Whether a line goes on with the paragraph of the one before: that is full, and this one is not indented."""
    here, there = margins[line.column], margins[last.column]
    size = min(last.height, line.height)
    if abs(last.size - line.size) > 0.15 * size or _gap(last, line, margins) or line.left > here.left + 0.6 * size:
        return False
    stopped = ends_sentence(last.text)
    if _ITEM.match(line.text) or (last.column != line.column and (stopped or min(last.column, line.column) < 0)):
        return False
    full = last.right + 0.2 * size + line.first > there.right - 0.1 * size
    early = line.text[0].islower() and not stopped and last.right > there.left + _LONG * (there.right - there.left)
    return full or early or last.text.endswith(HYPHENS)


def _join(left: str, right: str, hyphens: Hyphens, reading: Reading) -> str:
    if left.endswith("\u00ad") or _is_divided(left, right, hyphens):
        reading.aside("line_hyphens", left[-1])
        return left[:-1] + right
    return left + joint(left, right) + right


def _is_divided(left: str, right: str, hyphens: Hyphens) -> bool:
    return left.endswith(HYPHENS) and right[:1].islower() and hyphens.divides(left, right)
