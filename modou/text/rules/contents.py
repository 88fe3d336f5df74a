"""Remove tables of contents: lines at the front of a document that come again as its headings."""

from collections.abc import Iterable, Iterator

from modou.text.headings import Heading
from modou.text.numbered import NumberedLine
from modou.text.report import RuleReport
from modou.text.survey import Survey


def apply(
    events: Iterable[NumberedLine | Heading], found: Survey, tally: RuleReport
) -> Iterator[NumberedLine | Heading]:
    """The events without tables of contents."""
    if not found.contents:
        yield from events
        return
    for event in events:
        named = isinstance(event, NumberedLine) and event.number in found.contents
        if isinstance(event, str) and named and not tally.keeps(event):
            tally.touch(event.strip())
        else:
            yield event
