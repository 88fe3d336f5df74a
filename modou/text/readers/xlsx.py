"""Excel workbooks (.xlsx): each sheet is a table, a row of it a document."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

from modou.messages import UserError
from modou.text.readers.archive import member_opener, opened
from modou.text.readers.columns import Row, documents, shown
from modou.text.readers.file import File, Line, Reading, library
from modou.text.readers.json_values import Value
from modou.text.readers.table import Form, form_of_rows, one_text

LAYOUT = None
_LOOKED_AT = 50
_TOTAL = 1 << 30
"""Bytes of all parts of a workbook, unpacked, at most."""


def recognises(file: File) -> bool:
    """By the parts of the archive, of which one is a workbook."""
    if not file.head.startswith(b"PK\x03\x04") or (b"xl/" not in file.head and file.suffix not in (".xlsx", ".xlsm")):
        return False
    with opened(file) as archive:
        return "xl/workbook.xml" in archive.namelist()


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """A Heading and the lines of each row of each sheet; one column without a name is a text.

    UserError: damaged, protected, a bomb, or without a usable row.
    """
    failed: UserError | None = None
    for cells in read_sheets(file):
        try:
            yield from _lines_of(cells, file, reading)
        except UserError as error:
            if error.key != "text.no_good_row":
                raise
            failed = error
    if failed and not reading.rows:
        raise failed


def read_sheets(file: File) -> Iterator[Iterator[list[str]]]:
    """The cells of each sheet, row by row. UserError: damaged, protected, a bomb."""
    guard(file)
    with file.readable(), file.open() as stream:
        with _told(file):
            workbook = library("openpyxl", file.path).load_workbook(stream, read_only=True, data_only=True)
            sheets = [sheet for sheet in workbook.worksheets if hasattr(sheet, "reset_dimensions")]
        for sheet in sheets:
            yield _cells(sheet, file)


def _cells(sheet: Any, file: File) -> Iterator[list[str]]:
    with _told(file):
        sheet.reset_dimensions()  # they may be wrong
        for row in sheet.iter_rows(values_only=True):
            yield list(map(shown, row))


@contextmanager
def _told(file: File) -> Generator[None]:
    try:
        yield
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # openpyxl raises whatever a damaged part leads to
        raise UserError("text.broken_document", path=file.path, reason=type(error).__name__) from None


def guard(file: File) -> None:
    """UserError: a part unpacks out of all proportion, or all of them to more than memory should hold."""
    with opened(file) as archive:
        for info in archive.infolist():
            member_opener(archive, info, file.name)().close()
        if sum(info.file_size for info in archive.infolist()) > _TOTAL:
            raise UserError("text.too_large_document", path=file.path, most=_TOTAL >> 20)


def rows_of(cells: Iterator[list[str]], headed: bool = False) -> tuple[Form, Iterator[Row]]:
    """The form of a sheet, and its rows as fields by name. `headed`: the first row is known to hold the names."""
    filled = ((place, row) for place, row in enumerate(cells, 1) if any(cell.strip() for cell in row))
    sample = list(islice(filled, _LOOKED_AT))
    form = form_of_rows([row for _, row in sample], headed=headed)
    body = chain(sample[form.header :], filled)
    return form, (Value(place, dict(zip(form.names, row, strict=False))) for place, row in body)


def _lines_of(cells: Iterator[list[str]], file: File, reading: Reading) -> Iterator[Line]:
    form, rows = rows_of(cells)
    yield from one_text(rows, reading) if form.is_text else documents(file, reading, rows)
