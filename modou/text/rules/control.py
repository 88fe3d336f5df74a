"""Remove control and other invisible characters."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from modou.text.headings import Heading
from modou.text.readers.file import Line
from modou.text.report import RuleReport

# Control characters except tab; soft hyphen, zero-width and direction marks, byte-order marks.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")


def apply(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Lines without invisible characters; form feeds and Unicode line separators end a line."""
    for line in lines:
        if isinstance(line, Heading) or (not _UNSEEN.search(line) and "\u2028" not in line and "\u2029" not in line):
            yield line
            continue
        for part in re.split("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", line):
            found = _UNSEEN.findall(part)
            if found:
                names = " ".join(f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip() for char in found[:3])
                tally.touch("".join(found), times=len(found), example=names)
            yield _UNSEEN.sub("", part)
