"""JSON rows: one value a line, or one array; and rows as documents. A bad row is reported, counted and passed over."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO, cast

_PIECE = 1 << 16


@dataclass(frozen=True)
class Value:
    """One JSON value and its place in the file (1-based line or item)."""

    place: int
    value: Any


@dataclass(frozen=True)
class Row:
    """One good row: its place in the file (1-based line or item), title and text."""

    place: int
    title: str | None
    text: str


@dataclass(frozen=True)
class BadRow:
    """One row that holds no text, and why (a key of the messages)."""

    place: int
    reason: str


def read_rows(stream: TextIO) -> Iterator[Row | BadRow]:
    """The documents of a JSON-lines stream, or of one JSON array."""
    for found in read_values(stream):
        yield found if isinstance(found, BadRow) else _row(found.place, found.value)


def read_values(stream: TextIO) -> Iterator[Value | BadRow]:
    """Values of a JSON-lines stream, or the items of one JSON array, without holding the file in memory."""
    first = _first_character(stream)
    if first == "[":
        yield from _array(stream)
    elif first == "{":
        yield from _lines(stream)
    elif first:
        yield BadRow(1, "text.row_not_json")


def _first_character(stream: TextIO) -> str:
    while piece := stream.read(_PIECE):
        stripped = piece.lstrip("\ufeff \t\r\n")
        if stripped:
            stream.seek(0)
            return stripped[0]
    return ""


def _lines(stream: TextIO) -> Iterator[Value | BadRow]:
    for place, line in enumerate(stream, start=1):
        line = line.lstrip("\ufeff")
        if line.strip():
            try:
                yield Value(place, json.loads(line))
            except (ValueError, RecursionError):
                yield BadRow(place, "text.row_not_json")


def _array(stream: TextIO) -> Iterator[Value | BadRow]:
    decoder = json.JSONDecoder()
    buffer = stream.read(_PIECE).lstrip("\ufeff \t\r\n")[1:]
    place = 1
    while True:
        buffer = buffer.lstrip(" \t\r\n,")
        if buffer.startswith("]"):
            return
        try:
            value, end = decoder.raw_decode(buffer)
            # A number at the buffer's end may go on in the next piece; an object or a string may not.
            complete = end < len(buffer) or isinstance(value, dict | str)
        except (ValueError, RecursionError):
            value, end, complete = None, 0, False
        if not complete:
            # Doubling what is read keeps a huge item from being parsed again for every piece.
            more = stream.read(max(_PIECE, len(buffer)))
            if not more:
                yield BadRow(place, "text.row_not_json")
                return
            buffer += more
            continue
        yield Value(place, value)
        buffer, place = buffer[end:], place + 1


def _row(place: int, value: Any) -> Row | BadRow:
    if isinstance(value, str):
        return Row(place, None, value) if value.strip() else BadRow(place, "text.row_empty")
    if not isinstance(value, dict):
        return BadRow(place, "text.row_not_object")
    fields = cast(dict[str, Any], value)
    title = fields.get("title")
    for name in ("text", "content", "paragraphs"):
        found = fields.get(name)
        if isinstance(found, list) and all(isinstance(item, str) for item in cast(list[Any], found)):
            found = "\n".join(cast(list[str], found))
        if isinstance(found, str):
            if not found.strip():
                return BadRow(place, "text.row_empty")
            return Row(place, title.strip() if isinstance(title, str) else None, found)
    return BadRow(place, "text.row_without_text")
