"""Remove ruled lines, the places of pictures, and lines that are little more than a web address."""

import re
from collections.abc import Iterable, Iterator

from modou.text.notices import is_address
from modou.text.readers.file import Line
from modou.text.report import RuleReport

_LONGEST = 100
_RULE = re.compile(r"(?:[-—–_=*＊·•~～#+※☆★◆◇■□●○◎═─━]\s*){3,}")
_PICTURE = re.compile(r"\[Illustrations?(?::[^\[\]]*)?\]", re.IGNORECASE)


def _is_furniture(text: str) -> bool:
    return 0 < len(text) <= _LONGEST and (
        _RULE.fullmatch(text) is not None or _PICTURE.fullmatch(text) is not None or is_address(text)
    )


def apply(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Lines without furniture; no blank line is left, so that a paragraph continues across a page break."""
    for line in lines:
        if isinstance(line, str) and _is_furniture(line.strip()) and not tally.keeps(line):
            tally.touch(line.strip())
        else:
            yield line
