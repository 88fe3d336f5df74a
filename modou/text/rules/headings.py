"""Divide lines into chapters: replace headings, and titles on the lines after them, by Heading objects."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import takewhile

from modou.text.headings import Candidate, Heading, is_chinese_title, looks_like_title
from modou.text.numbered import NumberedLine
from modou.text.report import RuleReport
from modou.text.survey import Survey

_AHEAD = 4


class _Window:
    """An iterator over lines and headings with lookahead."""

    def __init__(self, events: Iterable[NumberedLine | Heading]) -> None:
        self._source = iter(events)
        self._ahead: deque[NumberedLine | Heading] = deque()

    def next(self) -> NumberedLine | Heading | None:
        """The next line or heading, or None after the last."""
        return self._ahead.popleft() if self._ahead else next(self._source, None)

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.next()

    def peek(self) -> list[NumberedLine]:
        """The next few lines up to a heading, without consuming them."""
        self._fill(_AHEAD)
        return [
            one
            for one in takewhile(lambda one: not isinstance(one, Heading), self._ahead)
            if isinstance(one, NumberedLine)
        ]

    def _fill(self, count: int) -> None:
        while len(self._ahead) < count:
            line = next(self._source, None)
            if line is None:
                return
            self._ahead.append(line)


def apply(events: Iterable[NumberedLine | Heading], found: Survey, tally: RuleReport) -> Iterator[str | Heading]:
    """Lines of text, with a Heading at the start of each chapter."""
    window = _Window(events)
    while (line := window.next()) is not None:
        if isinstance(line, Heading):
            yield from _marked(line, tally)
        elif _on_title_page(line, found, tally):
            if line.strip():
                tally.touch(line.strip())
        elif heading := _heading(line, found, tally):
            yield _made(heading, window, found, tally)
            if heading.rest:
                yield heading.rest
        else:
            text = bool(line.strip())
            divides = found.chapter_a_line if text else found.blocks
            if divides:
                yield Heading(None)
            if text or not divides:  # a blank line that divides chapters is no part of them
                yield line


def _made(heading: Candidate, window: _Window, found: Survey, tally: RuleReport) -> Heading:
    """The start of a chapter, named by a candidate and the titles that follow it."""
    parts = [heading.heading]
    if heading.form in ("bare", "title", "glued"):
        parts += _following_titles(heading, window, found, tally)
    name = " ".join(part.strip() for part in parts)
    tally.touch("".join(parts), example=("\n".join(parts), ""))
    return Heading(name)


def _on_title_page(line: NumberedLine, found: Survey, tally: RuleReport) -> bool:
    return line.number < found.title_page and line.number not in found.contents and not tally.keeps(line)


def _heading(line: NumberedLine, found: Survey, tally: RuleReport) -> Candidate | None:
    text = line.strip()
    return found.heading(line.number, text) if text and not tally.keeps(text) else None


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
    if rest[0].number in found.contents or found.heading(rest[0].number, text) or tally.keeps(text):
        return []
    if text.isascii() or heading.latin:
        titled = looks_like_title(text) or (text[0].isupper() and text[-1].isalnum())
        title = heading.form == "bare" and len(text) <= 60 and titled and follows_blank
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
