"""Excel workbooks (.xlsx): each sheet is a table, a row of it a document."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers.archive import member_opener, opened
from modou.text.readers.columns import Row, documents, shown
from modou.text.readers.file import File, Line, Reading, library, text_lines
from modou.text.readers.json_values import Value
from modou.text.readers.table import form_of_rows

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
    guard(file)
    with file.readable(), file.open() as stream:
        try:
            workbook = library("openpyxl", file.path).load_workbook(stream, read_only=True, data_only=True)
            sheets = [sheet for sheet in workbook.worksheets if hasattr(sheet, "reset_dimensions")]
            failed: UserError | None = None
            for sheet in sheets:
                sheet.reset_dimensions()  # they may be wrong
                try:
                    yield from _lines_of(sheet.iter_rows(values_only=True), file, reading)
                except UserError as error:
                    if error.key != "text.no_good_row":
                        raise
                    failed = error
            if failed and not reading.rows:
                raise failed
        except (UserError, OSError, MemoryError):
            raise
        except Exception as error:  # openpyxl raises whatever a damaged part leads to
            raise UserError("text.damaged_document", path=file.path, reason=type(error).__name__) from None


def guard(file: File) -> None:
    """UserError: a part unpacks out of all proportion, or all of them to more than memory should hold."""
    with opened(file) as archive:
        for info in archive.infolist():
            member_opener(archive, info, file.name)().close()
        if sum(info.file_size for info in archive.infolist()) > _TOTAL:
            raise UserError("text.too_large_document", path=file.path, most=_TOTAL >> 20)


def rows_of(cells: Iterable[tuple[Any, ...]]) -> tuple[bool, Iterator[Row]]:
    """Whether it is one column without a name, and the rows of a sheet as fields by name."""
    rows = ((place, list(map(shown, row))) for place, row in enumerate(cells, 1))
    filled = ((place, row) for place, row in rows if any(cell.strip() for cell in row))
    sample = list(islice(filled, _LOOKED_AT))
    form = form_of_rows([row for _, row in sample])
    body = chain(sample[form.header :], filled)
    return not form.header and len(form.names) == 1, (
        Value(place, dict(zip(form.names, row, strict=False))) for place, row in body
    )


def _lines_of(cells: Iterable[tuple[Any, ...]], file: File, reading: Reading) -> Iterator[Line]:
    one_text, rows = rows_of(cells)
    if not one_text:
        yield from documents(file, reading, rows)
        return
    yield Heading(None)
    for row in rows:
        reading.rows += 1
        yield from text_lines("".join(row.value.values()) if isinstance(row, Value) else "")
