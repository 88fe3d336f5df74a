"""Remove Project Gutenberg's header and licence, including the start and end markers."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from modou.text.headings import Heading
from modou.text.readers.file import Line
from modou.text.report import RuleReport
from modou.text.rules import removed

_HEADER_LINES = 1000
_LONGEST = 1000
"""Characters; a longer line among the first means that the text has no header."""
_START = re.compile(r"\s*\*{2,}\s*START OF (?:THE|THIS) PROJECT GUTENBERG", re.IGNORECASE)
_END = re.compile(
    r"\s*(?:\*{2,}\s*END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the )?Project Gutenberg)", re.IGNORECASE
)


def apply(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Yield the lines between the markers; all up to the end marker if the first lines hold no start marker."""
    source, header = iter(lines), list[Line]()
    for line in source:
        header.append(line)
        if isinstance(line, Heading):
            continue
        if _START.match(line):
            header = [*removed(header, tally)]
            break
        if len(header) == _HEADER_LINES or len(line) > _LONGEST:
            break
    for line in (text := chain(header, source)):
        if isinstance(line, str) and _END.match(line):
            yield from removed(chain([line], text), tally)
        else:
            yield line
