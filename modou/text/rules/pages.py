"""Remove running heads and page numbers at the edges of pages (form feeds divide pages), and join what they divide."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from modou.text.headings import Heading, candidate
from modou.text.readers.file import Line
from modou.text.report import RuleReport
from modou.text.sentences import ends_sentence, has_stop, joint
from modou.text.wrapping import Lengths

_NEAR = 8
"""Pages before and after a page in which its running head is looked for."""
_PAGE_LINES, _PAGE_CHARACTERS = 400, 1 << 16
"""What is longer is no page."""
_EDGE = 3
"""Lines at the top and the bottom of a page that may be furniture."""
_LONGEST = 80
"""Characters of a running head."""
_SHORT = 40
"""A head of at most this length need not be separated from the text to be known by one other page."""
_NUMBER = r"(?P<{}>\d{{1,4}}|[ivxlc]{{1,7}})"
_ALONE = re.compile(
    rf"[\W_]*(?i:page|p\.|seite|стр\.|第)?\s*{_NUMBER.format('number')}\s*(?:页|頁|ページ)?"
    r"(?:\s*(?:/|of|von|de|sur|共)\s*\d{1,4}\s*(?:页|頁)?)?[\W_]*"
)
_NUMBERED = re.compile(
    rf"(?:{_NUMBER.format('before')}[\s|·•–—-]+)?(?P<head>.*?)(?:[\s|·•–—-]+{_NUMBER.format('after')})?", re.DOTALL
)
_NO_HEAD = re.compile(r"[\W_]*$|.*[.,;:!?。，；：！？、…]$", re.DOTALL)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}


@dataclass(frozen=True)
class _Edge:
    """A line at the edge of a page. `head`: without a page number; "" if it is nothing else."""

    at: int
    text: str
    head: str
    number: int | None


@dataclass
class _Page:
    """The lines of a page. `top`: whether a page break or the start of the text precedes them; `broken`: whether a page
    break follows."""

    index: int
    top: bool
    broken: bool = False
    lines: list[Line] = field(default_factory=list[Line])
    edges: tuple[list[_Edge], list[_Edge]] = ([], [])


def apply(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Lines without running heads, page numbers and form feeds. A document without form feeds is as it was."""
    before, ahead = deque[_Page](maxlen=_NEAR), deque[_Page]()
    join = _Joiner()

    def done(page: _Page) -> Iterator[Line]:
        if page.broken and join.wrapped is None:
            join.wrapped = _is_wrapped([page, *ahead])
        removed = {at for at in _furniture(page, before, ahead) if not tally.keeps(str(page.lines[at]))}
        for at in sorted(removed):
            tally.touch(str(page.lines[at]).strip())
        yield from join.lines(page, removed)
        page.lines = []
        before.append(page)

    for page in _pages(lines):
        ahead.append(page)
        if len(ahead) > _NEAR:
            yield from done(ahead.popleft())
    while ahead:
        yield from done(ahead.popleft())
    yield from join.rest()


def _is_wrapped(pages: Iterable[_Page]) -> bool:
    lengths = Lengths()
    for page in pages:
        for line in page.lines:
            if isinstance(line, str) and line.strip():
                lengths.add(line.rstrip())
    return lengths.wrap() is not None


def _pages(lines: Iterable[Line]) -> Iterator[_Page]:
    page, size = _Page(0, top=True), 0
    for line in lines:
        if isinstance(line, str) and "\f" in line:
            first, *others = line.split("\f")
            if first or not others:
                page.lines.append(first)
            for other in others:
                page.broken = True
                yield _with_edges(page, last=True)
                page, size = _Page(page.index + 1, top=True, lines=[other] if other else []), 0
        else:
            page.lines.append(line)
        size += len(line) if isinstance(line, str) else 0
        if len(page.lines) > _PAGE_LINES or size > _PAGE_CHARACTERS:
            yield _with_edges(page, last=False)
            page, size = _Page(page.index + 1, top=False), 0
    yield _with_edges(page, last=True)


def _with_edges(page: _Page, *, last: bool) -> _Page:
    """The page with its edges found. `last`: whether its last line is that of a page."""
    count = len(page.lines)
    top = _edges(page, range(count)) if page.top else []
    bottom = _edges(page, range(count - 1, -1, -1)) if last else []
    page.edges = (top, bottom)
    return page


def _edges(page: _Page, order: Iterable[int]) -> list[_Edge]:
    """The outermost lines that are not blank, from the edge inwards."""
    found: list[_Edge] = []
    for at in order:
        line = page.lines[at]
        if isinstance(line, Heading) or len(found) == _EDGE or len(line) > 2 * _LONGEST:
            break
        if text := line.strip():
            found.append(_edge(at, " ".join(text.split())))
    return found


def _edge(at: int, text: str) -> _Edge:
    alone = _ALONE.fullmatch(text)
    if alone:
        return _Edge(at, text, "", _value(alone["number"]))
    found = _NUMBERED.fullmatch(text)
    number = found and (found["before"] or found["after"])
    # "Chapter 3" and "Day 3" are not page 3 of a book named so.
    if not found or not number or candidate(text) or not (found["before"] or " " in found["head"]):
        return _Edge(at, text, text, None)
    return _Edge(at, text, found["head"], _value(number))


def _value(number: str) -> int:
    if number.isdecimal():
        return int(number)
    values = [_ROMAN[letter] for letter in number.lower()]
    return sum(-value if value < max(values[at:]) else value for at, value in enumerate(values))


def _furniture(page: _Page, before: Sequence[_Page], ahead: Iterable[_Page]) -> set[int]:
    """The places of the page's lines that are furniture: page numbers that rise from page to page, and at each edge a
    line that other pages near by have there, too."""
    near = [*before, *ahead]
    removed = set[int]()
    for side in (0, 1):
        headed = False
        for edge in page.edges[side]:
            if not edge.head:
                if not any(_is_numbered(other, page.index, edge) for other in near):
                    break
            elif headed or not _is_head(page, edge, side, near):
                break
            else:
                headed = True
            removed.add(edge.at)
    # The first of equal headings begins the chapter; those of the following pages repeat it.
    return {at for at in removed if not _is_first_heading(page, at, before)}


def _is_numbered(other: _Page, index: int, edge: _Edge) -> bool:
    """Whether another page bears the number that this one's number makes one expect."""
    return any(
        its.number is not None and edge.number is not None and its.number - other.index == edge.number - index
        for edges in other.edges
        for its in edges
    )


def _is_head(page: _Page, edge: _Edge, side: int, near: Iterable[_Page]) -> bool:
    if len(edge.head) > _LONGEST or edge.head[0].islower() or _NO_HEAD.match(edge.head):
        return False
    alike = sum(
        any(its.head == edge.head and (its.number is None) == (edge.number is None) for its in _outer(other, side))
        and (edge.number is None or _is_numbered(other, page.index, edge))
        for other in near
    )
    inner = edge.at + (1 if side == 0 else -1)
    separated = 0 <= inner < len(page.lines) and _is_blank(page.lines[inner])
    return alike >= (1 if separated or edge.number is not None or len(edge.text) <= _SHORT else 2)


def _outer(page: _Page, side: int) -> list[_Edge]:
    """The outermost line that is not a page number, if any."""
    return [edge for edge in page.edges[side] if edge.head][:1]


def _is_first_heading(page: _Page, at: int, before: Iterable[_Page]) -> bool:
    text = str(page.lines[at]).strip()
    if not candidate(text):
        return False
    return not any(edge.text == text for other in before for edges in other.edges for edge in edges)


class _Joiner:
    """Puts pages together: a sentence cut by a page break becomes one line, other breaks are as in the text.

    `wrapped`: lines are hard-wrapped, so that the rule unwrap will join them; None if not yet known."""

    def __init__(self) -> None:
        self.wrapped: bool | None = None
        self._last: str | None = None
        """The last line of a page that ended at a page break."""

    def lines(self, page: _Page, removed: set[int]) -> Iterator[Line]:
        """The lines of a page without those removed; the last one is kept until the next page."""
        body = [line for at, line in enumerate(page.lines) if at not in removed]
        if page.top and page.index:
            body = body[_blanks(body) :]
        if page.broken:
            body = body[: len(body) - _blanks(body[::-1])]
        if body and self._last is not None:
            body[0:1] = self._across(self._last, body)
            self._last = None
        if body and page.broken and isinstance(last := body[-1], str):
            self._last = last
            body.pop()
        yield from body

    def rest(self) -> Iterator[str]:
        """The last line of the text."""
        if self._last is not None:
            yield self._last

    def _across(self, last: str, body: list[Line]) -> list[Line]:
        """The last line of a page and the first one of the next, as lines, with a blank line between paragraphs."""
        first = body[0]
        if isinstance(first, Heading) or ends_sentence(last) or candidate(first.strip()):
            return [last, "", first]
        if len(body) > 1 and _is_blank(body[1]) and not ends_sentence(first):  # a title
            return [last, "", first]
        left, text = last.rstrip(), first.strip()
        goes_on = text[0].islower() or (first[0].isalpha() and not text[0].isupper() and has_stop(last + first))
        if goes_on and not self.wrapped and not left.endswith(("-", "\u2010", "\u00ad")):
            return [left + joint(left, text) + text]
        return [last, first]


def _is_blank(line: Line) -> bool:
    return isinstance(line, str) and not line.strip()


def _blanks(lines: Sequence[Line]) -> int:
    """Number of blank lines at the start."""
    return next((at for at, line in enumerate(lines) if not _is_blank(line)), len(lines))
