"""What cleaning changed, as a table for the terminal: each rule with an example, before and after side by side."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len

from modou.cli.plain import clip
from modou.report import values as v
from modou.report.words import Words
from modou.text.examples import common

_MOST = 10
"""Rules shown."""
_INDENT = "    "
_LEAD = 3
"""Characters shown before a change that stands far in its example."""


def change_lines(numbers: Mapping[str, Any], words: Words, cells: int) -> Iterator[str]:
    """Lines of at most `cells` cells for the figures of the stage clean; none if no rule changed anything."""
    rules = [rule for rule in v.groups(numbers, "cleaning.rules") if v.number(rule, "count")]
    rules.sort(key=lambda rule: -(v.number(rule, "characters") or 0))
    if not rules:
        return
    heads = [words(name) for name in ("column_rule", "column_count", "example_before", "example_after")]
    rows = [heads, *(_row(rule, words) for rule in rules[:_MOST])]
    name, count = (max(cell_len(row[column]) for row in rows) for column in (0, 1))
    name = min(name, cells // 3)
    side = max(8, (cells - len(_INDENT) - name - count - 6) // 2)
    for row in rows:
        left = f"{_filled(row[0], name)}  {' ' * (count - cell_len(row[1]))}{row[1]}"
        before, after = _from_change(row[2], row[3], side)
        yield f"{_INDENT}{left}  {_filled(before, side)}  {clip(after, side)}".rstrip()
    if len(rules) > _MOST:
        yield f"{_INDENT}… (+{len(rules) - _MOST})"


def _row(rule: Mapping[str, Any], words: Words) -> list[str]:
    """Name, count and first example of a rule."""
    example = next(iter(v.groups(rule, "examples")), {})
    before = v.words_at(example, "before") or ""
    after = v.words_at(example, "after") or (words("example_gone") if before else "")
    return [words.named("rule", str(rule["name"])), words.count(v.number(rule, "count")), before, after]


def _from_change(before: str, after: str, cells: int) -> tuple[str, str]:
    """Both sides from shortly before the change on, where it would else be cut off."""
    head = max(0, common(before, after)[0] - _LEAD)
    if cell_len(before) <= cells or not head:
        return before, after
    return f"…{before[head:]}", f"…{after[head:]}"


def _filled(text: str, cells: int) -> str:
    """A text in exactly so many cells."""
    line = clip(text, cells)
    return line + " " * (cells - cell_len(line))
