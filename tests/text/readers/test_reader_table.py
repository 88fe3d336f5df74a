"""Tables as people's programs write them: CSV, workbooks, Parquet. A row is a document; damage costs its row."""

import csv
import io
import zipfile
from pathlib import Path

import openpyxl
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from text.damage import damaged

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers import reader_of, table
from modou.text.readers.file import File, Reading
from modou.text.report import visible

TALES = [
    'The kettle sang, "twice", before noon.',
    "Wren left the gate open;\nnobody\tsaid a word.",
    "雨落在磨坊上，|没有停。",
]


def opened(data: bytes, name: str, columns: str = "") -> File:
    file = File(Path(name), name, opens=lambda: io.BytesIO(data))
    file.columns = columns
    return file


def read(data: bytes | str, name: str = "a.csv", columns: str = "") -> tuple[list[str], Reading]:
    """The texts by document, with their titles as "title: text", and what else was found."""
    file = opened(data.encode() if isinstance(data, str) else data, name, columns)
    reader = reader_of(file)
    reading = Reading(reader.__name__.rpartition(".")[2])
    found: list[str] = []
    for line in reader.lines(file, reading):
        if isinstance(line, Heading):
            found.append(f"{line.text}: " if line.text else "")
        elif not found:
            found.append(f"{line}\n")
        else:
            found[-1] += line + "\n"
    return [text.removesuffix("\n") for text in found], reading


def written(rows: list[list[str]], delimiter: str = ",", **kwargs: object) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, **kwargs).writerows(rows)  # pyright: ignore
    return stream.getvalue()


def rows(*names: str) -> list[list[str]]:
    return [list(names), *([str(n), f"T{n}", tale, "2024-05-01"] for n, tale in enumerate(TALES, 1))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_what_a_library_writes_is_read_back(delimiter: str, codec: str, quoting: int, name: str) -> None:
    text = written(rows("id", "title", "text", "when"), delimiter, quoting=quoting)
    found, reading = read(text.encode(codec), name)
    assert found == [f"T{n}: {tale}" for n, tale in enumerate(TALES, 1)]
    assert (reading.kind, reading.rows, reading.bad_rows) == ("table", 3, 0)


@pytest.mark.parametrize(
    "names", [("id", "nr", "verse", "day"), ("编号", "序", "歌词", "日期"), ("n", "t", "Full text", "d")]
)
def test_the_fullest_column_is_taken_and_told(names: tuple[str, ...]) -> None:
    found, reading = read(written(rows(*names)))
    assert found == TALES
    assert [remark.values["name"] for remark in reading.remarks] == [names[2]]


def test_speech_in_a_table_without_quoting_stays() -> None:
    said = ['"Let me go," said Wren.', "Tam did not.", '"No" was all', 'he said: "No."']
    assert read("id\ttext\n" + "".join(f"{n}\t{text}\n" for n, text in enumerate(said)), "a.tsv")[0] == said
    assert read(written([["id", "text"], *([str(n), text] for n, text in enumerate(said))], "\t"), "a.tsv")[0] == said


def test_no_header() -> None:
    found, reading = read(written(rows("id", "t", "text", "d")[1:]))
    assert found == TALES
    assert reading.remarks[0].values["name"] == "3"
    assert read(written(rows("id", "t", "text", "d")[1:]), columns="text=3,title=2")[0][0] == f"T1: {TALES[0]}"


def test_one_column_without_a_name_is_a_text() -> None:
    lines = ["The mill stood still.", "", "Nobody came, and nobody left."]
    assert read("\n".join(lines))[0] == ["The mill stood still.\nNobody came, and nobody left."]
    assert read("text\n" + "\n".join(lines))[0] == [lines[0], lines[2]], "with a name its rows are documents"


def test_what_excel_puts_first_is_no_row() -> None:
    assert read("sep=;\r\nid;text\r\n1;A tale, and more.\r\n2;Another one.\r\n")[0] == [
        "A tale, and more.",
        "Another one.",
    ]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        ('2,"a quotation mark that never ends,x', "quotation mark"),
        ("2,too,many,cells", "more cells"),
        ("2", "no field"),
        ("2,,x", "empty"),
    ],
)
@pytest.mark.parametrize("after", [TALES[0], "no quotation mark any more"])
def test_a_bad_row_costs_itself(harm: str, reason: str, after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    good = [["id", "text", "tag"], ["1", TALES[1], "x"]], [["3", after, "x"], ["4", "The end of it.", "x"]]
    found, reading = read(written(good[0]) + harm + "\r\n" + written(good[1]))
    assert found == [TALES[1], after, "The end of it."]
    assert reading.bad_rows == 1
    assert reading.complaints[0].startswith("a.csv:4: ") and reason in reading.complaints[0]


def test_a_cell_may_be_a_book_and_a_huge_one_costs_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    chapter = "The bean grew.\n" * 20_000
    assert read(written([["id", "text"], ["1", chapter], ["2", "Short."]]))[0] == [chapter.rstrip("\n"), "Short."]
    monkeypatch.setattr(table, "ROW_LIMIT", 10_000)
    found, reading = read(written([["id", "text"], ["1", "x " * 20_000], ["2", "Short."], ["3", "Done."]]))
    assert (found, reading.bad_rows) == (["Short.", "Done."], 1)


@pytest.mark.parametrize("name", ["a.txt", "a", "A.TXT"])
def test_a_table_is_known_by_content(name: str) -> None:
    found, reading = read(written(rows("id", "title", "story", "when")), name)
    assert (reading.kind, len(found)) == ("table", 3)


@pytest.mark.parametrize(
    "text",
    [
        "Hello, dear friend, how are you\nThis, too, is prose\nand so, after all, is this\n",
        "apples, pears, plums\nnuts, beans, peas\nrye, oats, corn\n",
        "Once upon a time, in 1812, there was a mill.\nIt stood, as mills do, by water.\n",
        "从前，有一座磨坊。\n磨坊旁边，有一条河。\n",
        "1, 2, 3\n4, 5, 6\n7, 8, 9\n",
    ],
)
def test_prose_and_lists_with_commas_are_no_table(text: str) -> None:
    assert reader_of(opened(text.encode(), "a.txt")).__name__.endswith("plain")


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12), min_size=2, max_size=2),
        min_size=1,
    )
)
def test_every_character_is_read_or_set_aside(cells: list[list[str]]) -> None:
    data = written([["text", "name"], *cells], quoting=csv.QUOTE_ALL)
    try:
        found, reading = read(data, columns="text=text")
    except UserError:
        return
    held = sum(visible("".join(row)) for row in cells if row[0].strip())
    assert sum(map(visible, found)) + reading.set_aside.removed == held


NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
FORM = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
SHARED = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{FORM}"/>'


def workbook(*sheets: list[list[object]]) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.worksheets[0])
    for number, cells in enumerate(sheets):
        sheet = book.create_sheet(f"s{number}")
        for row in cells:
            sheet.append(row)
    book.save(stream)
    return stream.getvalue()


def test_a_workbook() -> None:
    data = workbook(
        [list(row) for row in rows("id", "title", "text", "when")], [[1, "x"]], [["A line."], [None], ["Another."]]
    )
    for name in ("a.xlsx", "a.txt", "a"):
        found, reading = read(data, name)
        assert found == [*(f"T{n}: {tale}" for n, tale in enumerate(TALES, 1)), "x", "A line.\nAnother."]
        assert reading.kind == "xlsx"


def test_a_workbook_that_is_a_bomb_is_refused() -> None:
    stream = io.BytesIO(workbook([["text"], ["x"]]))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/more.xml", b" " * 70_000_000)
    with pytest.raises(UserError) as refused:
        read(stream.getvalue(), "a.xlsx")
    assert refused.value.key == "text.bomb"


def test_a_text_that_a_workbook_repeats_without_end_is_refused() -> None:
    """A cell of a shared text costs a few bytes in the file, whatever the length of the text."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook([["text"]]))) as plain,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in plain.namelist():
            content = plain.read(name)
            if name.endswith("sheet1.xml"):
                again = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(2, 20_000))
                content = content.replace(b"</sheetData>", again.encode() + b"</sheetData>")
            content = content.replace(b"</Types>", SHARED.encode() + b"</Types>")
            if name != "xl/sharedStrings.xml":
                archive.writestr(name, content)
        shared = f'<sst xmlns="{NAMESPACE}" count="1" uniqueCount="1"><si><t>{"bean " * 100_000}</t></si></sst>'
        archive.writestr("xl/sharedStrings.xml", shared)
    with pytest.raises(UserError) as refused:
        read(stream.getvalue(), "a.xlsx")
    assert refused.value.key == "text.bomb"


def test_a_text_that_a_column_repeats_without_end_is_refused() -> None:
    with pytest.raises(UserError) as refused:
        read(columnar({"text": ["bean " * 100_000] * 500}), "a.parquet")
    assert refused.value.key == "text.bomb"


def columnar(columns: dict[str, list[object]]) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def test_parquet() -> None:
    columns: dict[str, list[object]] = {
        "image": [b"\x00\xff"] * 3,
        "meta": [{"lang": "en", "n": n} for n in range(3)],
        "vector": [[0.5, 1.5]] * 3,
        "title": ["a", None, "c"],
        "text": list(TALES),
    }
    found, reading = read(columnar(columns), "a.bin")
    assert found == [f"a: {TALES[0]}", TALES[1], f"c: {TALES[2]}"]
    assert reading.set_aside.kinds["columns"] == 9
    assert read(columnar({"chunks": [list(TALES), ["Done."]]}), "a.parquet")[0] == ["\n".join(TALES), "Done."]
    assert read(columnar({"text": ["x", None, "y"]}), "a.parquet")[1].bad_rows == 1


DATA = {
    "a.csv": written(rows("id", "title", "text", "when") * 5).encode(),
    "a.xlsx": workbook([list(row) for row in rows("id", "title", "text", "when")]),
    "a.parquet": columnar({"id": [1, 2, 3], "text": list(TALES)}),
}


def fuzz(first: int, last: int) -> None:
    for seed in range(first, last):
        name = list(DATA)[seed % 3]
        try:
            read(damaged(DATA[name], seed), name)
        except UserError as error:
            assert str(error)


def test_damaged_tables_are_read_or_refused() -> None:
    fuzz(0, 450)


@pytest.mark.slow
def test_many_damaged_tables_are_read_or_refused() -> None:
    fuzz(450, 6450)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='",;\t\n\r\0a1 ', max_size=60))
def test_anything_like_a_table_is_read_or_refused(text: str) -> None:
    try:
        read("x" + text, "a.csv")
    except UserError as error:
        assert str(error)
