"""Read JSON as a stream of values: JSON Lines, an array, objects over several lines, a list within one object.

A bad value is yielded as a BadRow and costs only itself: what follows is read from where the next one begins.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO

from modou.storage import is_deep, without_surrogates

ROW_LIMIT = 1 << 24
"""Maximum characters of a row, to bound memory: parsing one takes about fifty times as many bytes."""
LISTS = (
    *("documents", "articles", "messages", "data", "rows", "items", "results", "records", "entries", "posts", "texts"),
    *("文档", "文章", "消息", "数据"),
)
"""Names of the list of documents in an object, the likeliest first."""
_PIECE = 1 << 16
_BLANK = "\ufeff \t\r\n"
_BETWEEN = " \t\r\n,"
_NEAR = 12
"""Characters at the end of what was read, which may be the beginning of something longer."""
_BAD_IN_A_ROW = 1000
"""After more bad values than these in a row no other is looked for, to bound the time that hostile files take."""
_DECODER = json.JSONDecoder()
_NEXT_OBJECT = re.compile(r"\n(?=\{)")
_NEXT_TEXT = re.compile(r'\n\s{0,200}(?=["\[{])|,\s{0,200}(?=")')
_FIRST_KEY = re.compile(r'\{\s*"((?:[^"\\]|\\.){0,60})"\s*:')
_LIST = re.compile(r'(?<!\\)"([^"\\]{1,60})"\s{0,20}:\s{0,20}\[\s{0,200}\{')


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


class Buffer:
    """A text of which as much is held as the value at hand needs. `at`: the place of the next character."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.text, self.at = "", 0

    def more(self) -> bool:
        """Read on, and forget what lies before `at`. As much is read as is held, so that a huge value is not parsed
        again for every piece."""
        rest = self.text[self.at :]
        piece = self._stream.read(max(_PIECE, len(rest)))
        self.text, self.at = rest + piece, 0
        return bool(piece)

    def next(self) -> str:
        """The next character that is neither white space nor a comma; "" at the end."""
        while True:
            while self.text[self.at : self.at + 1] and self.text[self.at] in _BETWEEN:
                self.at += 1
            if self.at < len(self.text) or not self.more():
                return self.text[self.at : self.at + 1]

    def find(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The next match of a pattern that matches no more than a few hundred characters; `at` is then its end."""
        while True:
            if found := pattern.search(self.text, self.at):
                self.at = found.end()
                return found
            self.at = max(self.at, len(self.text) - 500)
            if not self.more():
                return None

    def take(self, place: int) -> Value | BadRow:
        """The value that begins here; of a bad one nothing is taken."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
                # A number at the end may go on in the next piece; an object or a string may not.
                cut = end == len(self.text) and not isinstance(value, dict | list | str)
            except json.JSONDecodeError as error:
                value, end = None, 0
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self.text) - _NEAR
            except (ValueError, RecursionError):
                value, end, cut = None, 0, False
            if end and not (cut and self.more()):
                source, self.at = self.text[self.at : end], end
                return _checked(place, value, source)
            if end:
                continue
            if len(self.text) - self.at > ROW_LIMIT:
                return BadRow(place, "text.row_too_long")
            if not cut or not self.more():
                return BadRow(place, "text.row_not_json")


def read_values(stream: TextIO, *, within: bool = False) -> Iterator[Value | BadRow]:
    """Yield the values of JSON Lines, the items of arrays, or objects of several lines each, one at a time.

    `within`: where the whole is one object that is too long or damaged, yield the items of the list in it.
    """
    opening = _opening(stream)
    if opening.startswith("["):
        rows = _arrays(Buffer(stream))
    elif opening.startswith(("{", '"')):
        rows = _lines(stream) if _is_lines(opening) else _objects(Buffer(stream))
    else:
        rows = iter((BadRow(1, "text.row_not_json"),) if opening else ())
    bad: list[BadRow] = []
    for row in rows:
        if isinstance(row, BadRow) and within and len(bad) < _BAD_IN_A_ROW:
            bad.append(row)
            continue
        yield from bad
        yield row
        bad, within = [], False
    inner = items_within(stream) if within and bad and opening.startswith("{") else iter(())
    first = next(inner, None)
    yield from bad if first is None else (first,)
    yield from inner


def items_within(stream: TextIO, name: str | None = None) -> Iterator[Value | BadRow]:
    """Yield the items of every list of objects of that name, wherever it stands; None: the name that is likeliest."""
    stream.seek(0)
    if name is None:
        names = _LIST.findall(stream.read(16 * _PIECE))
        stream.seek(0)
        if not names:
            return
        name = next((known for known in LISTS if known in names), str(names[0]))
    buffer, place, bad = Buffer(stream), 1, 0
    begins = re.compile(rf'(?<!\\)"{re.escape(name)}"\s{{0,20}}:\s{{0,20}}\[')
    while bad <= _BAD_IN_A_ROW and buffer.find(begins):
        for row in _items(buffer, place):
            yield row
            place = row.place + 1
            bad = bad + 1 if isinstance(row, BadRow) else 0


def numbered_lines(stream: TextIO) -> Iterator[tuple[int, str | None]]:
    """Yield (line number, line), with None for a line longer than ROW_LIMIT, which is skipped in pieces."""
    place = 0
    while line := stream.readline(ROW_LIMIT):
        place += 1
        rest = line
        while len(rest) == ROW_LIMIT and not rest.endswith("\n"):
            rest = stream.readline(ROW_LIMIT)
        yield place, line if rest is line else None


def _opening(stream: TextIO) -> str:
    """The first piece that is not blank. The stream is put back to its beginning."""
    while piece := stream.read(_PIECE):
        if stripped := piece.lstrip(_BLANK):
            stream.seek(0)
            return stripped
    return ""


def _is_lines(opening: str) -> bool:
    """Whether lines are values: the first one, or the next one, is whole, or the first is broken in itself."""
    lines = [line for line in opening.split("\n", 40)[:40] if line.strip()]
    if len(lines) < 2 or any(line.startswith("{") and _fault(line) is None for line in lines[:2]):
        return True
    fault = _fault(lines[0])
    return fault is not None and (fault.msg.startswith("Unterminated") or fault.pos < len(lines[0].rstrip()))


def _fault(line: str) -> json.JSONDecodeError | None:
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error
    except (ValueError, RecursionError):
        return None
    return None


def _lines(stream: TextIO) -> Iterator[Value | BadRow]:
    for place, line in numbered_lines(stream):
        if line is None:
            yield BadRow(place, "text.row_too_long")
        elif line := line.strip(_BLANK).rstrip(","):
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


def _objects(buffer: Buffer) -> Iterator[Value | BadRow]:
    """Objects of several lines each, one after another; after a bad one, the next that begins a line."""
    place, bad = 1, 0
    buffer.next()
    buffer.at += buffer.text.startswith("\ufeff")
    while buffer.next():
        found = buffer.take(place)
        yield found
        place += 1
        bad = bad + 1 if isinstance(found, BadRow) else 0
        if bad:
            buffer.at += 1
            if bad > _BAD_IN_A_ROW or not buffer.find(_NEXT_OBJECT):
                return


def _arrays(buffer: Buffer) -> Iterator[Value | BadRow]:
    """The items of an array, and of those that follow it."""
    place = 1
    buffer.next()
    buffer.at += buffer.text.startswith("\ufeff")
    while buffer.next() == "[":
        buffer.at += 1
        for row in _items(buffer, place):
            yield row
            place = row.place + 1
    if buffer.next():
        yield BadRow(place, "text.row_not_json")


def _items(buffer: Buffer, place: int) -> Iterator[Value | BadRow]:
    """The items of an array up to its end. After a bad one, the next is the object that begins with the same key, or
    the text that follows a comma."""
    again: re.Pattern[str] | None = None
    bad = 0
    while mark := buffer.next():
        if mark == "]":
            buffer.at += 1
            return
        if again is None and (key := _FIRST_KEY.match(buffer.text, buffer.at)):
            again = re.compile(rf'(?=\{{\s{{0,200}}"{re.escape(key[1])}"\s{{0,20}}:)')
        found = buffer.take(place)
        yield found
        place += 1
        bad = bad + 1 if isinstance(found, BadRow) else 0
        if bad:
            buffer.at += 1
            if bad > _BAD_IN_A_ROW or not buffer.find(again or _NEXT_TEXT):
                buffer.at = len(buffer.text)
                return
    yield BadRow(place, "text.row_not_json")
