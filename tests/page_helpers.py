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


def documented(part: str = "") -> list[str]:
    """The names of one of the page's parts, by its heading; the first has none."""
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")
    lines = next(text for text in parts[bool(part) :] if text.startswith(part)).splitlines()
    rows = [line.split("|")[1] for line in lines if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\*", r"[^.\[\]]+") + r"\Z")
