"""Workbooks whose sheets declare far more than they hold: read, or refused in one line, before memory is full."""

import io
import zipfile
from pathlib import Path

import openpyxl
import pytest

from modou.messages import UserError
from modou.text.readers import reader_of
from modou.text.readers.file import File, Line, Reading

SAID = "The weaver mended the blue cloth before the rain came."


def workbook(rows: str) -> bytes:
    """A workbook whose sheet has these rows, in its own XML."""
    made, packed = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(made)
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info).decode()
            if info.filename == "xl/worksheets/sheet1.xml":
                data = data[: data.index("<sheetData")] + f"<sheetData>{rows}</sheetData></worksheet>"
            new.writestr(info.filename, data)
    return packed.getvalue()


def row(number: int, column: str, text: str = SAID) -> str:
    return f'<row r="{number}"><c r="{column}{number}" t="inlineStr"><is><t>{text}</t></is></c></row>'


def read(data: bytes, folder: Path) -> list[Line]:
    path = folder / "a.xlsx"
    path.write_bytes(data)
    file = File(path, path.name)
    return [line for line in reader_of(file).lines(file, Reading("xlsx")) if line]


def test_a_row_far_below_is_passed_over_and_one_at_the_edge_is_read(tmp_path: Path) -> None:
    found = read(workbook(row(1, "A") + row(2**20, "A", "The end.") + row(10**12, "A", "Nowhere.")), tmp_path)
    assert found[-2:] == [SAID, "The end."]


def test_rows_that_are_all_empty_but_for_their_last_cell_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="far too large for what stands in them"):
        read(workbook("".join(row(number, "XFD") for number in range(1, 80))), tmp_path)


def test_cells_beyond_the_last_column_are_left_out(tmp_path: Path) -> None:
    cells = "<c><v>1</v></c>" * 2**14 + f'<c t="inlineStr"><is><t>{SAID}</t></is></c>'
    assert SAID not in str(read(workbook(f"<row>{cells}</row><row>{cells}</row>" + row(3, "A", "Seen.")), tmp_path))
