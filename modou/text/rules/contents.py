"""Remove tables of contents: lines at the front of a document that come again as its headings."""

from collections.abc import Iterable, Iterator

from modou.text.headings import Heading
from modou.text.lines import Line
from modou.text.report import RuleReport
from modou.text.survey import Survey


def apply(events: Iterable[Line | Heading], found: Survey, tally: RuleReport) -> Iterator[Line | Heading]:
    """The events without tables of contents."""
    for event in events:
        if isinstance(event, Line) and event.number in found.contents:
            tally.touch(event.strip())
        else:
            yield event
