"""Remove ruled lines, and lines that are little more than a web address."""

import re
from collections.abc import Iterable, Iterator

from modou.text.headings import Heading
from modou.text.notices import is_address
from modou.text.report import RuleReport

_LONGEST = 100
_RULE = re.compile(r"(?:[-—–_=*＊·•~～#+※☆★◆◇■□●○◎═─━]\s*){3,}")


def apply(lines: Iterable[str | Heading], tally: RuleReport) -> Iterator[str | Heading]:
    """Lines without furniture; no blank line is left, so that a paragraph continues across a page break."""
    for line in lines:
        text = line.strip() if isinstance(line, str) else ""
        if text and len(text) <= _LONGEST and (_RULE.fullmatch(text) or is_address(text)):
            tally.touch(text)
        else:
            yield line
