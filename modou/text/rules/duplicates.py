"""Removes chapters whose characters are those of an earlier one."""

from collections.abc import Iterable, Iterator

from modou.text.report import RuleReport
from modou.text.rules import Chapter


def apply(chapters: Iterable[Chapter], tally: RuleReport) -> Iterator[Chapter]:
    """The first chapter of each content."""
    seen = set[bytes]()
    for chapter in chapters:
        if chapter.digest not in seen:
            seen.add(chapter.digest)
            yield chapter
            continue
        tally.touch("", times=1, example=f"{chapter.heading or ''} {chapter.opening[:40]}".strip())
        tally.characters += chapter.visible
        tally.removed += chapter.visible
