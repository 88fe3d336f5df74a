"""JSON in every form that people have: lines, arrays, printed objects, lists within one; damage costs its item."""

import gzip
import io
import json
import lzma
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from text.damage import damaged

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers import json_values, reader_of
from modou.text.readers.book import read_book
from modou.text.readers.file import File, Reading
from modou.text.report import visible

TALES = [
    "The kettle sang twice before noon.",
    "Wren left the gate open.\nNobody said a word.",
    "Rain fell on the mill.",
]
ROWS = [{"id": n, "title": f"Tale {n}", "text": tale} for n, tale in enumerate(TALES, 1)]


def read(text: str | bytes, name: str = "a.json", columns: str = "") -> tuple[list[str], Reading]:
    """The texts by document, with their titles as "title: text", and what else was found."""
    data = text.encode() if isinstance(text, str) else text
    file = File(Path(name), name, opens=lambda: io.BytesIO(data))
    file.columns = columns
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


TITLED = [f"Tale {n}: {tale}" for n, tale in enumerate(TALES, 1)]


@pytest.mark.parametrize("indent", [None, 0, 1, 4])
@pytest.mark.parametrize(
    "shape",
    [
        lambda rows: rows,
        lambda rows: {"data": rows},
        lambda rows: {"count": 3, "next": None, "results": rows, "note": "as of May"},
        lambda rows: {"response": {"status": 200, "docs": rows, "tags": [{"a": 1}]}},
        lambda rows: {f"id-{n}": row for n, row in enumerate(rows)},
        lambda rows: {"version": "2", "articles": {f"id-{n}": row for n, row in enumerate(rows)}},
    ],
    ids=["array", "data", "results", "nested", "by id", "articles by id"],
)
def test_documents_are_found_wherever_they_stand(shape, indent) -> None:
    found, reading = read(json.dumps(shape(ROWS), indent=indent))
    assert found == TITLED
    assert (reading.rows, reading.bad_rows) == (3, 0)


@pytest.mark.parametrize("between", ["\n", "", "\n\n", ",\n"])
@pytest.mark.parametrize("indent", [1, "\t"])
def test_objects_of_several_lines_one_after_another(indent: int | str, between: str) -> None:
    assert read(between.join(json.dumps(row, indent=indent) for row in ROWS))[0] == TITLED


def test_texts_alone() -> None:
    assert read(json.dumps(TALES, indent=1))[0] == TALES
    assert read("\n".join(map(json.dumps, TALES)), "a.jsonl")[0] == TALES
    assert read(json.dumps({"texts": TALES}, indent=1))[0] == TALES
    assert read(json.dumps({"paragraphs": TALES}, indent=1))[0] == ["\n".join(TALES)]


@pytest.mark.parametrize(
    "harm", ['{"id": 2 "text": "x"}', '{"id": 2, "text": "never ends}', '{"id": 2, "text": tru}', "{]"]
)
@pytest.mark.parametrize(
    ("start", "between", "end"), [("[", ",", "]"), ("[\n ", ",\n ", "\n]"), ('{"data": [', ", ", "]}")]
)
def test_a_bad_item_costs_itself(harm: str, start: str, between: str, end: str) -> None:
    rows = [json.dumps({"id": n, "text": tale}) for n, tale in enumerate(TALES)]
    found, reading = read(start + between.join([rows[0], harm, *rows[1:]]) + end)
    assert found == TALES
    assert reading.bad_rows == 1 and "not valid JSON" in reading.complaints[0]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("harm", ['"said "no" and left"', "tru", '"back\\slash"', '{"a" 1}'])
def test_a_bad_text_costs_itself(harm: str, indent: int | None) -> None:
    text = json.dumps(TALES, indent=indent).replace(json.dumps(TALES[1]), harm)
    found, reading = read(text)
    assert (found[0], found[-1]) == (TALES[0], TALES[2])
    assert len(found) <= 3 and reading.bad_rows >= 1


@pytest.mark.parametrize("harm", ['{\n "text": "cut\n}', '{\n "text" 3\n}', '{\n "text": [1,,2]\n}'])
def test_a_bad_object_of_several_lines_costs_itself(harm: str) -> None:
    rows = [json.dumps({"text": tale}, indent=1) for tale in TALES]
    found, reading = read("\n".join([rows[0], harm, *rows[1:]]))
    assert (found, reading.bad_rows) == (TALES, 1)


def test_a_bad_first_line_does_not_hide_that_lines_are_rows() -> None:
    for harm in ('{"text": "cut', '{"text": "cut"', "{", '{"text": }'):
        found, reading = read("\n".join([harm, *map(json.dumps, ROWS)]), "a.jsonl")
        assert (found, reading.bad_rows) == (TITLED, 1)


@pytest.mark.parametrize("within", [True, False])
def test_a_huge_object_is_read_item_by_item(monkeypatch: pytest.MonkeyPatch, within: bool) -> None:
    monkeypatch.setattr(json_values, "ROW_LIMIT", 3000)
    monkeypatch.setattr(json_values, "_PIECE", 256)
    rows = [{"id": n, "text": f"{tale} {n}"} for n in range(50) for tale in TALES]
    text = json.dumps({"head": "x", "messages": rows}, indent=1 if within else None)
    found, reading = read(text)
    assert found == [row["text"] for row in rows]
    assert reading.bad_rows == 0


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ([{"url": "https://example.org/" + "a" * 90, "lyrics": tale} for tale in TALES], "lyrics"),
        ([{"hash": "a1b2" * 60, "Story": tale, "summary": tale * 2} for tale in TALES], "Story"),
        ([{"content": "", "long": tale} for tale in TALES], "long"),
        ([{"正文": tale, "备注": "无"} for tale in TALES], "正文"),
        ([{"meta": {"inner": {"said": tale}}} for tale in TALES], "meta.inner.said"),
    ],
)
def test_the_column_of_text_is_guessed_and_told(rows: list[dict[str, object]], column: str) -> None:
    found, reading = read("\n".join(map(json.dumps, rows)), "a.jsonl")
    assert found == TALES
    assert [remark.values["name"] for remark in reading.remarks] == [column]


def test_the_user_names_columns() -> None:
    rows = "\n".join(json.dumps({"text": "no", "other": tale, "no": n}) for n, tale in enumerate(TALES))
    found, reading = read(rows, "a.jsonl", "text=other,title=no")
    assert found == [f"{n}: {tale}" for n, tale in enumerate(TALES)]
    assert not reading.remarks
    with pytest.raises(UserError, match="text, other, no"):
        read(rows, "a.jsonl", "text=none")


@pytest.mark.parametrize("name", ["a.txt", "a", "a.log"])
def test_json_is_known_by_content(name: str) -> None:
    assert read("\n".join(map(json.dumps, ROWS)) + "\n", name)[0] == TITLED
    assert read(json.dumps({"data": ROWS}, indent=2), name)[0] == TITLED


@pytest.mark.parametrize(
    "text", ["{Enter the king.}\nKing: Speak.\n", '[1] A note.\n{"text": "x"}\nOn.\n', "{\n}\n\nx\n"]
)
def test_what_only_begins_like_json_is_a_text(text: str) -> None:
    file = File(Path("a.txt"), "a.txt", opens=lambda: io.BytesIO(text.encode()))
    assert reader_of(file).__name__.endswith("plain")


@pytest.mark.parametrize("source", [r"half \ud83d of", r"\udc00\ud800", r"a\ud83d\u0041"])
def test_lone_surrogates_become_replacement_characters_and_are_counted(source: str) -> None:
    found, reading = read(f'{{"text": "{source}", "title": "{source}", "more": "{source}"}}\n', "a.jsonl")
    assert "\ufffd" in found[0] and not any("\ud800" <= char <= "\udfff" for char in found[0])
    assert reading.undecodable == found[0].count("\ufffd")
    "".join(found).encode()


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.ZstdCompressor().compress])
def test_one_huge_row_is_bounded(tmp_path: Path, pack) -> None:
    """20 million characters in a row, of a file of a few kilobytes: refused as a bomb, or as too long a row."""
    for size, good in ((20_000_000, 1), (70_000_000, 0)):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(pack(b'{"text": "fine"}\n{"text": "' + b"x" * size + b'"}\n'))
        book = read_book(path)
        tracemalloc.start()
        try:
            for document in book.documents():
                assert sum(1 for line in document.lines() if line == "fine") == good
                assert book.readings["rows.jsonl"].bad_rows == 1
        except UserError as error:
            assert error.key == "text.bomb"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 400 << 20


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["text", "title", "who", "n"]), st.text(max_size=30), min_size=1), min_size=1
    )
)
def test_every_character_is_read_or_set_aside(rows: list[dict[str, str]]) -> None:
    text = "\n".join(map(json.dumps, rows))
    good = [json.loads(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")) for row in rows]
    try:
        found, reading = read(
            text, "a.jsonl", "text=text,title=title" if any("title" in row for row in rows) else "text=text"
        )
    except UserError:
        return
    held = sum(visible(value) for row in good if row.get("text", "").strip() for value in row.values())
    colons = sum(1 for row in good if row.get("text", "").strip() and row.get("title", "").strip())
    assert sum(map(visible, found)) - colons + reading.set_aside.removed == held


@pytest.mark.parametrize("piece", ['"data": [{', '{"data": [', '{"a":', "[", '{"text": "x', '"'])
def test_hostile_nesting_is_given_up(piece: str) -> None:
    """Without the bound every piece is looked at again with all that follow: minutes for a megabyte."""
    reading = Reading("json_rows")
    file = File(Path("a.json"), "a.json", opens=lambda: io.BytesIO(("{" + piece * (1_000_000 // len(piece))).encode()))
    with pytest.raises(UserError):
        list(reader_of(file).lines(file, reading))
    assert reading.bad_rows <= 1100


SHAPES = [
    "\n".join(map(json.dumps, ROWS * 3)).encode(),
    json.dumps(ROWS * 3, indent=1).encode(),
    json.dumps({"data": ROWS * 3}).encode(),
    "\n".join(json.dumps(row, indent=1) for row in ROWS * 3).encode("utf-16"),
]


def fuzz(first: int, last: int) -> None:
    for seed in range(first, last):
        try:
            read(damaged(SHAPES[seed % len(SHAPES)], seed))
        except UserError as error:
            assert str(error)


def test_damaged_json_is_read_or_refused() -> None:
    fuzz(0, 300)


@pytest.mark.slow
def test_much_damaged_json_is_read_or_refused() -> None:
    fuzz(300, 2300)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}[]",:\\ \n1atext', max_size=80))
def test_anything_like_json_is_read_or_refused(text: str) -> None:
    for name in ("a.json", "a.txt"):
        try:
            read(text, name)
        except UserError as error:
            assert str(error)
