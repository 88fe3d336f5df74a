"""The catalogue: both languages, the same placeholders, nothing missing and nothing left over."""

import ast
import re
import string
from functools import cache
from pathlib import Path

import pytest

from modou.messages import catalogue, text

CODE = Path(__file__).parent.parent / "modou"
AREAS = sorted(file.stem for file in (CODE / "messages").glob("*.toml"))
ENTRIES = {f"{area}.{key}": entry for area in AREAS for key, entry in catalogue(area).items()}
CALLS = ("text", "UserError", "note", "Notice", "BadExample")


@cache
def literals() -> list[tuple[Path, str]]:
    """Every string in the code as a pattern; the filled-in parts of f-strings match anything."""
    found: list[tuple[Path, str]] = []
    for path in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append((path, re.escape(node.value)))
            elif isinstance(node, ast.JoinedStr):
                found.append((path, pattern(node)))
            elif isinstance(node, ast.Call) and called(node) == "named" and isinstance(node.args[0], ast.Constant):
                found.append((path, rf"{re.escape(str(node.args[0].value))}_\w+"))
    return found


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def pattern(node: ast.JoinedStr) -> str:
    parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in node.values]
    return "".join(parts)


def placeholders(message: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(message) if name is not None}


@pytest.mark.parametrize("key", sorted(ENTRIES))
def test_an_entry_has_both_languages_with_the_same_placeholders(key: str) -> None:
    entry = ENTRIES[key]
    assert set(entry) == {"zh", "en"}
    assert entry["zh"].strip() and entry["en"].strip()
    assert placeholders(entry["zh"]) == placeholders(entry["en"])


@pytest.mark.parametrize("area", AREAS)
def test_no_entry_is_unused(area: str) -> None:
    """Used = the code holds "area.key", or, in the area's own folder, "key"; f-strings count with any filling."""
    inside = f"/modou/{'cli' if area == 'console' else area}/"
    patterns = {
        found.removeprefix(f"{area}\\.")
        for path, found in literals()
        if found.startswith(f"{area}\\.") or inside in path.as_posix() or area in path.stem
    }
    patterns |= {found.replace("\\.", "_") for found in patterns}  # the plan's reason for "model.layers"
    # A pattern of nothing but filling would vouch for every entry.
    used = [re.compile(found) for found in patterns if re.sub(r"\\w\+|_", "", found)]
    unused = [key for key in catalogue(area) if not any(p.fullmatch(key) for p in used)]
    assert not unused


def test_every_key_in_the_code_exists() -> None:
    missing: list[str] = []
    for path in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            if called(node) not in CALLS:
                continue
            parts = {
                id(part) for key in ast.walk(node.args[0]) if isinstance(key, ast.JoinedStr) for part in key.values
            }
            for key in ast.walk(node.args[0]):
                value = getattr(key, "value", None)
                if (
                    isinstance(value, str)
                    and id(key) not in parts
                    and re.fullmatch(r"[a-z]+\.[a-z_0-9]+", value)
                    and value not in ENTRIES
                ):
                    missing.append(f"{path.name}: {value}")
                if isinstance(key, ast.JoinedStr) and not any(re.fullmatch(pattern(key), k) for k in ENTRIES):
                    missing.append(f"{path.name}: {pattern(key)}")
    assert not missing


def test_the_language_is_the_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", "zh")
    assert "缺少" in text("cli.word_missing", word="X", usage="y")
    monkeypatch.delenv("MODOU_LANG")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LC_MESSAGES", "zh_CN.UTF-8")
    assert "缺少" in text("cli.word_missing", word="X", usage="y")
