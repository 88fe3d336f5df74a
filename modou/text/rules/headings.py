"""Divide lines into chapters: replace headings, and titles on the lines after them, by Heading objects."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile

from modou.text.headings import Candidate, Heading, candidate, is_chinese_title, looks_like_title
from modou.text.report import RuleReport
from modou.text.survey import Survey

_AHEAD = 4


class _Window:
    """An iterator over lines with lookahead; `number`: index of the current line."""

    def __init__(self, lines: Iterable[str | Heading]) -> None:
        self._source = iter(lines)
        self._ahead: deque[str | Heading] = deque()
        self.number = -1

    def next(self) -> str | Heading | None:
        """The next line, or None after the last."""
        self._fill(1)
        self.number += 1
        return self._ahead.popleft() if self._ahead else None

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.next()

    def peek(self) -> tuple[str, ...]:
        """The next few lines before a heading of the format, without consuming them."""
        self._fill(_AHEAD)
        return tuple(takewhile(lambda line: isinstance(line, str), self._ahead))  # type: ignore[arg-type]

    def _fill(self, count: int) -> None:
        while len(self._ahead) < count:
            line = next(self._source, None)
            if line is None:
                return
            self._ahead.append(line)


def apply(lines: Iterable[str | Heading], found: Survey, tally: RuleReport) -> Iterator[str | Heading]:
    """Lines of text, with a Heading at the start of each chapter."""
    window = _Window(lines)
    while (line := window.next()) is not None:
        if isinstance(line, Heading):
            yield from _marked(line, tally)
            continue
        text = line.strip()
        if window.number < found.title_page and not tally.keeps(text):
            if text:
                tally.touch(text)
            continue
        heading = candidate(text) if text and not tally.keeps(text) else None
        if heading is None or not found.accepts(heading):
            if found.chapter_a_line if text else found.blocks:
                yield Heading(None)
            yield line
            continue
        parts = [heading.heading]
        if heading.form in ("bare", "title", "glued"):
            parts += _following_titles(heading, window, found, tally)
        name = " ".join(part.strip() for part in parts)
        tally.touch("".join(parts), example=("\n".join(parts), ""))
        yield Heading(name)
        if heading.rest:
            yield heading.rest


def _marked(heading: Heading, tally: RuleReport) -> Iterator[str | Heading]:
    """A heading of the format; it stays in the text if the user keeps it."""
    if heading.text and tally.keeps(heading.text):
        yield Heading(None)
        yield heading.text
        return
    if heading.text:
        tally.touch(heading.text)
    yield heading


def _following_titles(heading: Candidate, window: _Window, found: Survey, tally: RuleReport) -> list[str]:
    """Consume the title line after a heading: after a bare label, or the second half of a couplet."""
    ahead = window.peek()
    blanks = next((i for i, line in enumerate(ahead) if line.strip()), len(ahead))
    rest = [line for line in ahead[blanks:] if line.strip()]
    if not rest or blanks > 2:
        return []
    text, after = rest[0].strip(), rest[1].strip() if len(rest) > 1 else ""
    follows_blank = blanks + 1 < len(ahead) and not ahead[blanks + 1].strip()
    if text.isascii() or heading.unit == "english":
        title = heading.form == "bare" and len(text) <= 60 and looks_like_title(text) and follows_blank
        title = title and candidate(text) is None
    else:
        title = is_chinese_title(text, heading.title) and bool(after)
        # Unlike a first line of prose or verse, a title is followed by a longer or a punctuated line.
        title = title and (len(after) > len(text) or after[-1] in "。！？…”，；：")
        if found.wrap:
            title = title and len(text) < 0.8 * found.wrap.width
    if not title or tally.keeps(text):
        return []
    window.skip(blanks + 1)
    return [text]
