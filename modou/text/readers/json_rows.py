"""JSON: one object or string a line, an array of them, objects of several lines, or the list of documents within one
object. Each is a document, a title its heading."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from modou.text.readers.columns import PLAIN, documents, shown
from modou.text.readers.file import File, Line, Reading
from modou.text.readers.json_values import LISTS, BadRow, Value, read_values

LAYOUT = None
SUFFIXES = (".jsonl", ".json", ".ndjson")
UNNAMED = ("", ".txt", ".text", ".log", ".dat")
"""Endings of names that do not say what a text is."""
_DEEPEST = 4
_OBJECT = re.compile(r'\s*(?:\[\s*)?\{\s*(?:"(?:[^"\\\n]|\\.)*"\s*:|\})')


def recognises(file: File) -> bool:
    """By the name, or by the first lines: each is a JSON object."""
    if file.suffix in SUFFIXES:
        return True
    if file.suffix not in UNNAMED or not _OBJECT.match(file.opening):
        return False
    lines = [line for line in file.opening.split("\n")[:-1][:20] or [file.opening] if line.strip()]
    return all(_is_object(line) for line in lines) or _is_object(file.opening)


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """A Heading and the lines of each document. UserError: no row can be used."""
    with file.text(reading) as stream:
        yield from documents(file, reading, rows(read_values(stream, within=True)))


def rows(values: Iterator[Value | BadRow]) -> Iterator[Value | BadRow]:
    """The values; in place of an object that consists mainly of a list of documents, these."""
    for value in values:
        inner = documents_within(value.value) if isinstance(value, Value) else []
        yield from (Value(place, item) for place, item in enumerate(inner, 1)) if inner else (value,)


def documents_within(value: Any) -> list[Any]:
    """The largest list of objects or texts within an object, or its objects by name; [] if it is a document itself."""
    if not isinstance(value, dict) or any(isinstance(cast(dict[str, Any], value).get(name), str) for name in PLAIN):
        return []
    found: list[tuple[int, list[Any]]] = []
    own = _gather("", cast(dict[str, Any], value), found)
    size, items = max(found, key=lambda one: one[0], default=(0, []))
    return items if size > own else []


def _gather(name: str, value: Any, found: list[tuple[int, list[Any]]], depth: int = 0) -> int:
    """Note size and items of each list of documents within a value; return the characters of text beside them."""
    if isinstance(value, dict):
        inner = cast(dict[str, Any], value)
        items = list(inner.values())
        if len(items) > 1 and _alike(items):
            found.append((len(shown(items)), items))
        return sum(_gather(key, one, found, depth + 1) for key, one in inner.items()) if depth < _DEEPEST else 0
    if isinstance(value, list) and value and name not in PLAIN:
        items = cast(list[Any], value)
        if all(isinstance(item, dict) for item in items) or name.lower() in LISTS:
            found.append((len(shown(items)), items))
    return len(value) if isinstance(value, str) else 0


def _alike(items: list[Any]) -> bool:
    """Whether all are objects that have a key in common."""
    if not all(isinstance(item, dict) for item in items):
        return False
    return bool(set[str].intersection(*(set(cast(dict[str, Any], item)) for item in items)))


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text.strip().rstrip(",")), dict | list)
    except (ValueError, RecursionError):
        return False
