"""CSV and TSV: a row is a document. Delimiter, header and columns are found out; a damaged row costs itself alone."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TextIO

from modou.text.headings import Heading
from modou.text.readers.columns import TEXTS, TITLES, Row, documents
from modou.text.readers.file import File, Line, Reading, text_lines
from modou.text.readers.json_rows import UNNAMED
from modou.text.readers.json_values import ROW_LIMIT, BadRow, Value, numbered_lines

LAYOUT = None
SUFFIXES = (".csv", ".tsv", ".tab", ".psv")
_DELIMITERS = (",", "\t", ";", "|")
_LOOKED_AT = 50
"""Rows by which delimiter and header are decided."""
_SPOKEN = re.compile(r'(?:^|\t)"(?:[^"\n]|"")*"[^\t\r\n"]', re.MULTILINE)
"""A cell that begins with speech."""
_SEPARATOR = re.compile(r"sep=(.)\s*$", re.IGNORECASE)
_NUMBER = re.compile(r"[\d\s.,:/+%-]+")
_NAME = re.compile(r"\s*[^\d\W][\w .()#/-]{0,39}\s*")


@dataclass(frozen=True)
class Form:
    """How the rows of a table are written."""

    delimiter: str
    names: tuple[str, ...]
    """Of the columns: "1", "2", … where there is no header."""
    header: bool
    numeric: bool
    """Whether a column below the header holds numbers alone."""
    quoted: bool = True
    """Whether quotation marks around a cell are not part of it."""

    @property
    def is_text(self) -> bool:
        """Whether it is one column without a name, the lines of a text."""
        return not self.header and len(self.names) == 1


def recognises(file: File) -> bool:
    """By the name; or by a header of names over rows of as many cells, some of them numbers."""
    if file.opening.count("\0") * 100 > len(file.opening):
        return False
    if file.suffix in SUFFIXES:
        return True
    if file.suffix not in UNNAMED or not _NAME.match(file.opening):
        return False
    form, rows = form_of(file.opening)
    alike = sum(len(row) == len(form.names) for row in rows)
    return form.header and form.numeric and len(form.names) > 2 and len(rows) > 1 and alike * 10 >= len(rows) * 9


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """A Heading and the lines of each row; one column without a name is a text. UserError: no row can be used."""
    with file.text(reading) as stream:
        form, rows = read_rows(stream)
        yield from one_text(rows, reading) if form.is_text else documents(file, reading, rows)


def read_rows(stream: TextIO, headed: bool = False) -> tuple[Form, Iterator[Row]]:
    """The form of a table and its rows as fields by name. `headed`: the first row is known to hold the names."""
    opening = stream.read(1 << 16)
    stream.seek(0)
    form, _ = form_of(opening, headed)
    rows = _records(stream, form)
    skipped = bool(_SEPARATOR.match(opening.partition("\n")[0])) + form.header
    return form, islice(rows, skipped, None)


def form_of(opening: str, headed: bool = False) -> tuple[Form, list[list[str]]]:
    """The form of a table by its beginning, and the first rows below the header."""
    first, _, below = opening.partition("\n")
    declared = _SEPARATOR.match(first)
    text = below if declared else opening
    whole = text if len(text) < 1 << 15 else text[: text.rfind("\n") + 1] or text
    delimiter = declared[1] if declared else max(_DELIMITERS, key=lambda one: _fits(whole, one))
    rows = _first_rows(whole, delimiter)
    form = form_of_rows(rows, delimiter, headed)
    return replace(form, quoted=delimiter != "\t" or not _SPOKEN.search(opening)), rows[1:]


def form_of_rows(rows: list[list[str]], delimiter: str = ",", headed: bool = False) -> Form:
    """The form of a table by its first rows."""
    if not rows:
        return Form(delimiter, ("1",), False, False)
    head, *rest = rows
    numeric = any(
        rest and not _is_number(name) and all(len(row) > at and _is_number(row[at]) for row in rest)
        for at, name in enumerate(head)
    )
    header = headed or _is_header(head, rest, numeric)
    names = tuple(_distinct(head)) if header else tuple(str(at) for at in range(1, _width(rows) + 1))
    return Form(delimiter, names, header, numeric)


def _is_header(head: list[str], rest: list[list[str]], numeric: bool) -> bool:
    """Whether the first row holds names: short, distinct, known as such, or unlike what stands below."""
    given = [cell for cell in head if cell.strip()]
    if not rest or not all(_NAME.fullmatch(cell) for cell in given) or len(set(given)) < len(given):
        return False
    if numeric or any(cell.strip().lower() in (*TEXTS, *TITLES) for cell in head):
        return True
    lengths = [sum(len(row[at]) for row in rest if len(row) > at) / len(rest) for at in range(len(head))]
    return len(head) > 1 and any(length > 3 * max(len(name), 4) for length, name in zip(lengths, head, strict=True))


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None and not cell.isspace()


def _distinct(head: list[str]) -> Iterator[str]:
    for at, cell in enumerate(head, 1):
        yield cell.strip().lstrip("\ufeff") or str(at)


def _fits(text: str, delimiter: str) -> tuple[float, int]:
    """How well a delimiter divides the first rows: the share of rows of one width above 1, and that width."""
    rows = _first_rows(text, delimiter)
    width = _width(rows)
    return (sum(len(row) == width for row in rows) / len(rows), width) if rows and width > 1 else (0.0, 1)


def _width(rows: list[list[str]]) -> int:
    return Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 1


def _first_rows(text: str, delimiter: str) -> list[list[str]]:
    try:
        found = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        return [row for row in islice(found, _LOOKED_AT) if row]
    except csv.Error:
        return []


class _Source:
    """The lines of a table for csv.reader, which asks for more while a quoted cell is open.

    `record`: the lines of the row at hand. `cut`: the file ended, or a row grew too long, within a quoted cell.
    """

    def __init__(self, lines: Iterator[tuple[int, str | None]]) -> None:
        self._lines = lines
        self.record: list[tuple[int, str | None]] = []
        self.size, self.cut = 0, False

    def begin(self) -> None:
        self.record, self.size = [], 0

    def put_back(self) -> int:
        """Give the lines of the row at hand once more, but for its first; returns the number of that one."""
        place = self.record[0][0]
        self._lines = chain(self.record[1:], self._lines)
        self.begin()
        self.cut = False
        return place

    def __iter__(self) -> "_Source":
        return self

    def __next__(self) -> str:
        found = next(self._lines, None) if self.size <= ROW_LIMIT else None
        if found is None:
            self.cut = bool(self.record)
            raise StopIteration
        self.record.append(found)
        line = found[1]
        self.size += ROW_LIMIT + 1 if line is None else len(line)
        return "\n" if line is None else line


def _records(stream: TextIO, form: Form) -> Iterator[Row]:
    """The rows, the header included. After a row that is damaged reading goes on with its second line."""
    csv.field_size_limit(max(csv.field_size_limit(), 2 * ROW_LIMIT))
    source = _Source(numbered_lines(stream))
    quoting = csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE
    rows = csv.reader(source, delimiter=form.delimiter, quoting=quoting)
    names, width = form.names, len(form.names)
    while True:
        source.begin()
        try:
            row = next(rows, None)
        except csv.Error:
            row = [""] * (width + 1)
        if not source.record:
            return
        over = source.size > ROW_LIMIT
        row = [form.delimiter.join(row)] if row and width == 1 else row
        if source.cut or over or (row and len(row) != width and len(source.record) > 1):
            yield BadRow(source.put_back(), "text.row_too_long" if over else "text.row_quote")
            rows = csv.reader(source, delimiter=form.delimiter, quoting=quoting)
        elif not row:
            continue
        elif len(row) > width:
            yield BadRow(source.record[0][0], "text.row_ragged")
        else:
            yield Value(source.record[0][0], dict(zip(names, row, strict=False)))


def one_text(rows: Iterable[Row], reading: Reading) -> Iterator[Line]:
    """The lines of a table that is a text."""
    yield Heading(None)
    for row in rows:
        if isinstance(row, Value):
            reading.rows += 1
            text = "".join(row.value.values())
            reading.undecoded(text)
            yield from text_lines(text)
