"""Conversations in tests: rows to read, and what was read as tuples."""

import json
from pathlib import Path
from typing import Any

from modou.data.formats.example import Example


def said(example: Example) -> list[tuple[str, str, bool]]:
    """Role, content, and whether it is learned, of each turn."""
    return [(m.role, m.content, m.role == "assistant" and m.trained) for m in example.messages]


def talk(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def user(content: str) -> tuple[str, str, bool]:
    return ("user", content, False)


def bot(content: str, learned: bool = True) -> tuple[str, str, bool]:
    return ("assistant", content, learned)


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


FIRST = [user("Which jug?"), bot("The blue one.")]
