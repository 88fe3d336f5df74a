"""Reading: encodings, folders, rows; every mistake is one clear line."""

import gzip
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers import file as reading
from modou.text.readers import json_values as rows
from modou.text.readers.book import Book, read_book
from modou.text.readers.json_values import BadRow, read_values

SIMPLE = "魔豆落在井边，一夜长到云里。小黄摇头说不去，阿青笑着爬上了藤。\n" * 5
TRADITIONAL = "魔豆落在井邊，一夜長到雲裡。小黃搖頭說不去，阿青笑著爬上了藤，誰也沒攔住她們兩個。\n" * 5


def read(book: Book) -> list[list[str | Heading]]:
    """The lines of every file that can be read."""
    found = []
    for document in book.documents():
        try:
            found.append(list(document.lines()))
        except UserError as error:
            book.pass_over(document.name, error)
    return found


def notes(book: Book) -> str:
    return " ".join(map(str, book.notes))


@pytest.mark.parametrize(
    ("text", "codec", "said"),
    [
        (SIMPLE, "utf-8", ""),
        (SIMPLE, "utf-8-sig", "byte-order"),
        (SIMPLE, "gb18030", "gb18030"),
        (TRADITIONAL, "gb18030", "gb18030"),
        (TRADITIONAL, "big5", "big5"),
        (SIMPLE, "utf-16", "byte-order"),
        (SIMPLE, "utf-16-le", "utf-16-le"),
        (SIMPLE, "utf-16-be", "utf-16-be"),
        ("The bean grew, all night, in the café.\n" * 30, "cp1252", "most likely"),
    ],
)
def test_encodings(tmp_path: Path, text: str, codec: str, said: str) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(text.encode(codec))
    book = read_book(path)
    assert read(book) == [text.splitlines()]
    assert said in notes(book)
    assert bool(said) == bool(book.notes)


def test_one_line_without_end_in_gb18030(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(SIMPLE.replace("\n", "").encode("gb18030"))
    assert read(read_book(path)) == [[SIMPLE.replace("\n", "")]]


def test_a_named_encoding_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(SIMPLE.encode("gb18030"))
    book = read_book(path, "gb18030")
    assert read(book) == [SIMPLE.splitlines()]
    assert "as specified" in notes(book)


def test_a_few_broken_bytes_are_replaced_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    data = (SIMPLE * 20).encode()
    path.write_bytes(data[:300] + b"\xff\xfe" + data[300:])
    book = read_book(path)
    text = "\n".join(read(book)[0])
    assert 0 < text.count("\ufffd") <= 5
    assert "�" in notes(book) and "could not be decoded" in notes(book)
    # Reading again does not count twice.
    assert text == "\n".join(read(book)[0])
    assert next(iter(book.readings.values())).undecodable == text.count("\ufffd")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.txt", b"", "is empty"),
        ("blank.txt", b"\xef\xbb\xbf \r\n\n", "is empty"),
        ("picture.txt", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "is a picture"),
        ("packed.txt", b"PK\x03\x04" + bytes(range(256)) * 9, "packed data"),
        ("binary.txt", bytes(range(256)) * 40, "not text"),
        ("nul.txt", b"abc\x00\x01\x02def" * 50, "not text"),
        ("control.txt", bytes(range(1, 32)) * 50, "not text"),
        ("broken.jsonl.gz", b"\x1f\x8b\x08\x00broken", "packed data"),
        ("no.jsonl", b"nothing here\n", "no usable row"),
        ("rows.jsonl", b'{"a": 1}\n[1]\n', "no usable row"),
    ],
)
def test_what_is_no_text(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match=said) as caught:
        read(read_book(path))
    assert "\n" not in str(caught.value) and name in str(caught.value)


def test_wrong_encoding_that_was_named(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(SIMPLE.encode("gb18030"))
    with pytest.raises(UserError, match="cannot be decoded"):
        read(read_book(path, "utf-8"))


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_book(tmp_path / "none.txt")
    with pytest.raises(UserError, match="no readable text"):
        read_book(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UserError, match="not a regular file"):
        read_book(pipe)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text(SIMPLE, encoding="utf-8")
    path.chmod(0)
    with pytest.raises(UserError, match="permission"):
        read(read_book(path))


def test_a_folder_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / f"第{number}章.txt").write_text(f"豆{number}\n", encoding="utf-8")
    (tmp_path / "rows.jsonl").write_text('{"text": "行"}\n', encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "bad.txt").write_bytes(b"\x89PNG\x00")
    (tmp_path / ".hidden.txt").write_text("不读", encoding="utf-8")
    book = read_book(tmp_path)
    assert read(book) == [[Heading(None), "行"], ["豆1"], ["豆2"], ["豆10"]]
    assert "bad.txt was skipped" in notes(book) and "picture.png was skipped" in notes(book)


def test_files_of_one_name_in_several_folders_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows.jsonl").write_text('{"text": "行"}\n{\n', encoding="utf-8")
    book = read_book(tmp_path)
    assert read(book) == [[Heading(None), "行"]] * 2
    for folder in ("a", "b"):
        assert f"{folder}/rows.jsonl: 1 of 2 rows were skipped" in notes(book).replace("\\", "/")


ROWS = [
    {"text": "一豆。\n二豆。"},
    {"content": "三豆。", "title": " 井 "},
    {"paragraphs": ["四豆。", "五豆。"]},
    "六豆。",
]
READ = [None, "一豆。", "二豆。", "井", "三豆。", None, "四豆。", "五豆。", None, "六豆。"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.json.gz"])
@pytest.mark.parametrize("array", [True, False])
def test_rows(tmp_path: Path, name: str, array: bool) -> None:
    items = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    text = "[" + ",\n".join(items) + "]" if array else "\ufeff" + "\n\n".join(items) + "\n"
    path = tmp_path / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert [line.text if isinstance(line, Heading) else line for line in read(read_book(path))[0]] == READ


def test_bad_rows_are_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "好。"}\n{"text": \n{"text": " "}\n7\n{"body": "x"}\n', encoding="utf-8")
    book = read_book(path)
    assert read(book) == [[Heading(None), "好。"]]
    said = notes(book)
    assert "4 of 5 rows" in said
    for place in ("a.jsonl:2: not valid JSON", "a.jsonl:3: the text is empty", "a.jsonl:4: not a JSON object"):
        assert place in said


def test_an_array_that_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"text": "好。"}, {"text": "' + "豆" * 200_000, encoding="utf-8")
    book = read_book(path)
    assert read(book) == [[Heading(None), "好。"]]
    assert "not valid JSON" in notes(book)


def test_a_huge_line_comes_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LINE_LIMIT", 100)
    text = "豆子发芽了。“藤也长了。”" * 40
    path = tmp_path / "a.txt"
    path.write_text(text + "\n尾。", encoding="utf-8")
    lines = read(read_book(path))[0]
    assert "".join(map(str, lines)) == text + "尾。" and max(map(len, lines)) < 300
    assert all(line.endswith(("。”", "。")) and not line.startswith("”") for line in lines)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for name in ("a.txt", "a.jsonl", "a.json"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(data)
        try:
            read(read_book(path))
        except UserError as error:
            assert str(error)


GOOD = [json.dumps({"text": f"第{n}颗豆子。"}, ensure_ascii=False) for n in range(4)]


def values_of(text: str) -> list[object]:
    """The value of each row, or why it has none."""
    return [found.reason if isinstance(found, BadRow) else found.value for found in read_values(io.StringIO(text))]


@pytest.mark.parametrize("array", [False, True], ids=["lines", "array"])
@pytest.mark.parametrize(
    ("source", "read"),
    [
        (r'{"a": "half \ud83d"}', {"a": "half \ufffd"}),
        (r'{"a": "\uDFFF\udfff"}', {"a": "\ufffd\ufffd"}),
        (r'{"a": "\ud83d\ude00 whole"}', {"a": "\U0001f600 whole"}),
        (r'{"a": "\\ud83d said"}', {"a": r"\ud83d said"}),
        (r'{"a\ud800": [{"b": ["\ud800"]}]}', {"a\ufffd": [{"b": ["\ufffd"]}]}),
        ("{" + '"a": {' * 400 + "}" * 401, "text.row_not_json"),
        ("{" + '"a": ' + "[" * 5000 + "]" * 5000 + "}", "text.row_not_json"),
        ('{"a": "' + "x" * 4000 + '"}', "text.row_too_long"),
    ],
)
def test_rows_that_no_text_can_hold(source: str, read: object, array: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_PIECE", 64)
    monkeypatch.setattr(rows, "ROW_LIMIT", 300 if read == "text.row_too_long" else 1 << 20)
    good = [json.loads(row) for row in GOOD]
    if array:
        found = values_of("[" + ",".join([*GOOD, source, *GOOD]) + "]")
        assert found[:5] == [*good, read]
    else:
        assert values_of("\n".join([*GOOD, source, *GOOD])) == [*good, read, *good]


def test_a_long_line_is_passed_over_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROW_LIMIT", 10)
    taken: list[int] = []

    class Watched(io.StringIO):
        def readline(self, size: int = -1) -> str:
            taken.append(size)
            return super().readline(size)

    stream = Watched("123456789\n" + "x" * 1000 + "\nend\n" + "y" * 50)
    assert list(rows.numbered_lines(stream)) == [(1, "123456789\n"), (2, None), (3, "end\n"), (4, None)]
    assert set(taken) == {10}


def test_items_after_a_huge_one_are_not_copied_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item was cut off the front of what is held, which a huge item had made large."""
    monkeypatch.setattr(rows, "_PIECE", 64)
    items = [{"text": "x" * 100_000}, *({"text": str(n)} for n in range(2000))]
    assert values_of(json.dumps(items)) == items


@pytest.mark.skipif(os.name == "nt", reason="needs names that are no text")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SIMPLE, encoding="utf-8")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.txt")).write_text(SIMPLE, encoding="utf-8")
    assert len(read(read_book(tmp_path))) == 2
