"""Remove notices of web sites: lines that are one as a whole, and notices in brackets within a line."""

import re
from collections.abc import Iterable, Iterator

from modou.text.examples import around
from modou.text.headings import Heading
from modou.text.notices import is_notice
from modou.text.readers.file import Line
from modou.text.report import RuleReport

_BRACKETS = re.compile(r"[（(【\[][^（()）【】\[\]]{4,80}[）)】\]]")


def apply(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Lines without notices; no blank line is left in place of one."""

    def without(found: re.Match[str]) -> str:
        if not is_notice(found.group()):
            return found.group()
        tally.touch(found.group(), example=around(found.string, *found.span()))
        return ""

    for line in lines:
        if isinstance(line, Heading) or tally.keeps(line):
            yield line
        elif is_notice(line):
            tally.touch(line.strip())
        else:
            yield _BRACKETS.sub(without, line)
