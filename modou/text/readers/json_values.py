"""Read JSON Lines or one JSON array as a stream of values. A bad row is yielded as a BadRow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from modou.storage import is_deep, without_surrogates

ROW_LIMIT = 1 << 24
"""Maximum characters of a row, to bound memory: parsing one takes about fifty times as many bytes."""
_PIECE = 1 << 16
_BLANK = "\ufeff \t\r\n"
_BETWEEN = " \t\r\n,"


@dataclass(frozen=True)
class Value:
    """One JSON value and its place in the file (1-based line or item)."""

    place: int
    value: Any


@dataclass(frozen=True)
class BadRow:
    """One invalid row. `reason`: a message key."""

    place: int
    reason: str


def read_values(stream: TextIO) -> Iterator[Value | BadRow]:
    """Yield the values of a JSON Lines stream or the items of one JSON array, without holding the file in memory."""
    first = _first_character(stream)
    if first == "[":
        yield from _array(stream)
    elif first == "{":
        yield from _lines(stream)
    elif first:
        yield BadRow(1, "text.row_not_json")


def _first_character(stream: TextIO) -> str:
    while piece := stream.read(_PIECE):
        stripped = piece.lstrip(_BLANK)
        if stripped:
            stream.seek(0)
            return stripped[0]
    return ""


def numbered_lines(stream: TextIO) -> Iterator[tuple[int, str | None]]:
    """Yield (line number, line), with None for a line longer than ROW_LIMIT, which is skipped in pieces."""
    place = 0
    while line := stream.readline(ROW_LIMIT):
        place += 1
        rest = line
        while len(rest) == ROW_LIMIT and not rest.endswith("\n"):
            rest = stream.readline(ROW_LIMIT)
        yield place, line if rest is line else None


def _lines(stream: TextIO) -> Iterator[Value | BadRow]:
    for place, line in numbered_lines(stream):
        if line is None:
            yield BadRow(place, "text.row_too_long")
        elif line := line.strip(_BLANK):
            try:
                yield _checked(place, json.loads(line), line)
            except (ValueError, RecursionError):
                yield BadRow(place, "text.row_not_json")


def _checked(place: int, value: Any, source: str) -> Value | BadRow:
    """The value with lone surrogates (\\ud83d), which JSON allows but UTF-8 cannot encode, replaced by U+FFFD."""
    if is_deep(value):
        return BadRow(place, "text.row_not_json")
    if "\\ud" in source or "\\uD" in source:
        value = json.loads(without_surrogates(json.dumps(value, ensure_ascii=False)))
    return Value(place, value)


def _array(stream: TextIO) -> Iterator[Value | BadRow]:
    decoder = json.JSONDecoder()
    buffer = stream.read(_PIECE).lstrip(_BLANK)[1:]
    at, place = 0, 1
    while True:
        while buffer[at : at + 1] and buffer[at] in _BETWEEN:
            at += 1
        if buffer.startswith("]", at):
            return
        try:
            value, end = decoder.raw_decode(buffer, at)
            # A number at the buffer's end may go on in the next piece; an object or a string may not.
            complete = end < len(buffer) or isinstance(value, dict | str)
        except (ValueError, RecursionError):
            value, end, complete = None, 0, False
        if complete:
            yield _checked(place, value, buffer[at:end])
            at, place = end, place + 1
            continue
        buffer, at = buffer[at:], 0
        if len(buffer) > ROW_LIMIT:
            yield BadRow(place, "text.row_too_long")
            return
        # Doubling what is read keeps a huge item from being parsed again for every piece.
        more = stream.read(max(_PIECE, len(buffer)))
        if not more:
            yield BadRow(place, "text.row_not_json")
            return
        buffer += more
