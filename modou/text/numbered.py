"""Lines with their numbers, by which the survey of a document tells the rules which ones it means."""

from collections.abc import Iterable, Iterator

from modou.text.headings import Heading


class NumberedLine(str):
    """A line and its number in the document, from 0."""

    __slots__ = ("number",)
    number: int


def numbered(events: Iterable[str | Heading]) -> Iterator[NumberedLine | Heading]:
    """Number the events of a document; a Heading counts, too."""
    for number, event in enumerate(events):
        if isinstance(event, Heading):
            yield event
            continue
        line = NumberedLine(event)
        line.number = number
        yield line
