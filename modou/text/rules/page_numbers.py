"""Remove page numbers: numbers alone on a line that rise over the document."""

from collections.abc import Iterable, Iterator

from modou.text.headings import Heading
from modou.text.numbered import NumberedLine
from modou.text.report import RuleReport
from modou.text.survey import Survey


def apply(
    events: Iterable[NumberedLine | Heading], found: Survey, tally: RuleReport
) -> Iterator[NumberedLine | Heading]:
    """The events without page numbers; no blank line is left, so that a paragraph continues across a page break."""
    if not found.pages:
        yield from events
        return
    for event in events:
        named = isinstance(event, NumberedLine) and event.number in found.pages
        if isinstance(event, str) and named and not tally.keeps(event):
            tally.touch(event.strip())
        else:
            yield event
