"""TOML and JSON files with the SHA-256 of their own content (a seal), so that damage and edits are detected."""

import hashlib
from pathlib import Path
from typing import Any

from modou import storage
from modou.messages import UserError
from modou.settings.base import read_toml, write_toml

_MARK = "# sha256 of the lines above: "


def write_sealed_toml(path: Path, values: dict[str, Any]) -> None:
    """Replaces `path` by nested tables, with the seal in a comment at the end."""
    text = write_toml(values)
    text += "" if text.endswith("\n") else "\n"
    storage.write_text_atomically(path, f"{text}{_MARK}{_sha256(text)}\n")


def read_sealed_toml(path: Path) -> dict[str, Any]:
    """The tables of a sealed TOML file. UserError: missing, not TOML, or changed since it was written."""
    tables = read_toml(path)
    text, mark, seal = path.read_text(encoding="utf-8").rpartition(_MARK)
    if not mark and isinstance(begun := tables.get("run"), dict) and "format" not in begun:
        raise UserError("storage.older_run", path=path.parent)
    if seal != _sha256(text) + "\n":
        raise UserError("storage.seal_broken", path=path)
    return tables


def write_sealed_json(path: Path, value: dict[str, Any]) -> None:
    """Replaces `path` by `value` and its seal; creates its folder."""
    with storage.user_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_json_atomically(path, {"sha256": _sha256(storage.json_text(value)), "value": value})


def read_sealed_json(path: Path) -> dict[str, Any]:
    """The value of a sealed JSON file. UserError: missing, not JSON, or changed since it was written."""
    found = storage.read_json(path)
    match found:
        case {"sha256": str(seal), "value": dict(value)} if seal == _sha256(storage.json_text(value)):
            return value
        case _:
            raise UserError("storage.seal_broken", path=path)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
