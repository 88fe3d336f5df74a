"""Remove page numbers: numbers alone on a line that rise over the document."""

from collections.abc import Iterable, Iterator

from modou.text.headings import Heading
from modou.text.lines import Line
from modou.text.report import RuleReport
from modou.text.survey import Survey


def apply(events: Iterable[Line | Heading], found: Survey, tally: RuleReport) -> Iterator[Line | Heading]:
    """The events without page numbers; no blank line is left, so that a paragraph continues across a page break."""
    for event in events:
        if isinstance(event, Line) and event.number in found.pages:
            tally.touch(event.strip())
        else:
            yield event
