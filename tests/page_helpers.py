"""docs/machine-readable.md as patterns of names, and the names in a report."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "machine-readable.md"


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """Every name in nested values, lists of tables as name[]."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from paths(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from paths(inner, f"{prefix}[]")
    else:
        yield prefix


def documented(aligned: bool = False) -> list[str]:
    """The names of one of the page's two parts."""
    pretrained, _, rest = PAGE.read_text(encoding="utf-8").partition("## Aligned runs")
    lines = (rest if aligned else pretrained).splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\*", r"[^.\[\]]+") + r"\Z")
