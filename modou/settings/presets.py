"""Presets: sets of options in TOML files, shipped ones (in modou/presets) or the user's own.

A file with a `method` is one preset (article-rope). In any other file of modou/presets each table is one (poems.sft):
the stages of a task, which `modou align` runs.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from modou.messages import UserError
from modou.settings.base import read_toml


@dataclass(frozen=True)
class Preset:
    """Options for one method ("pretrain" for `modou run` and its stages)."""

    name: str
    method: str
    tables: dict[str, dict[str, Any]]
    """{group: {option: value}}."""


@cache
def presets() -> dict[str, Preset]:
    """The shipped presets by name."""
    found: list[Preset] = []
    for item in files("modou.presets").iterdir():
        if item.name.endswith(".toml"):
            name, content = item.name.removesuffix(".toml"), read_toml(Path(str(item)))
            parts = {name: content} if "method" in content else {f"{name}.{part}": content[part] for part in content}
            found += [Preset(part, tables.pop("method"), tables) for part, tables in parts.items()]
    return {preset.name: preset for preset in sorted(found, key=lambda preset: preset.name)}


def preset_names(method: str) -> list[str]:
    """Names of the shipped presets for a method."""
    return [name for name, preset in presets().items() if preset.method == method]


def read_preset(name: str, method: str | None = None) -> dict[str, dict[str, Any]]:
    """The options of a preset, given by name or as the path of a TOML file (which may contain `method`).

    UserError: no such preset, or it is for another method.
    """
    if name.endswith(".toml"):
        tables = read_toml(Path(name))
        found = tables.pop("method", method)
    elif name in presets():
        tables, found = presets()[name].tables, presets()[name].method
    else:
        raise UserError("settings.no_such_preset", name=name[:60], names=_by_command())
    if method not in (None, found):
        names = ", ".join(preset_names(str(method))) or "-"
        raise UserError("settings.other_preset", name=name, method=_command(str(found)), names=names)
    return tables


def _by_command() -> str:
    """All preset names, grouped by command."""
    names: dict[str, list[str]] = defaultdict(list)
    for name, preset in presets().items():
        names[_command(preset.method)].append(name)
    return "; ".join(f"modou {command}: {', '.join(listed)}" for command, listed in names.items())


def _command(method: str) -> str:
    return "run" if method == "pretrain" else method
