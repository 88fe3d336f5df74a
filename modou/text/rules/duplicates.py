"""Remove chapters that are identical to an earlier one except for white space."""

from collections.abc import Iterable, Iterator

from modou.text.report import RuleReport
from modou.text.rules import Chapter


def apply(chapters: Iterable[Chapter], tally: RuleReport) -> Iterator[Chapter]:
    """Yield the first of identical chapters."""
    seen = set[bytes]()
    for chapter in chapters:
        if chapter.digest not in seen:
            seen.add(chapter.digest)
            yield chapter
            continue
        tally.touch("", example=(f"{chapter.heading or ''}\n{chapter.opening}".strip(), ""))
        tally.characters += chapter.visible
        tally.removed += chapter.visible
