"""Remove what authors and translators tell their readers, at the edges of chapters or where it is repeated."""

from collections import deque
from collections.abc import Iterable, Iterator

from modou.text.headings import Heading
from modou.text.notices import folded, is_authors
from modou.text.report import RuleReport
from modou.text.survey import Survey

_EDGE = 4
"""Lines of text at the beginning and at the end of a chapter."""
_AHEAD = 4 * _EDGE


def apply(events: Iterable[str | Heading], found: Survey, tally: RuleReport) -> Iterator[str | Heading]:
    """The events without such lines."""
    if not found.asides:
        yield from events
        return
    held = deque[str | Heading]()
    since = 0
    for event in events:
        held.append(event)
        if isinstance(event, Heading) and event.text is not None:
            yield from _edge(held, tally)
            held.clear()
            since = 0
        elif isinstance(event, str) and event.strip():
            since += 1
            aside = is_authors(event) and not tally.keeps(event)
            if aside and (since <= _EDGE or found.asides[folded(event)] > 1):
                held.pop()
                tally.touch(event.strip())
        while len(held) > _AHEAD:
            yield held.popleft()
    yield from _edge(held, tally)


def _edge(held: Iterable[str | Heading], tally: RuleReport) -> Iterator[str | Heading]:
    """The last events of a chapter without such lines among the last few lines of text."""
    held = list(held)
    texts = [index for index, event in enumerate(held) if isinstance(event, str) and event.strip()]
    last = set(texts[-_EDGE:])
    for index, event in enumerate(held):
        if index in last and isinstance(event, str) and is_authors(event) and not tally.keeps(event):
            tally.touch(event.strip())
        else:
            yield event
