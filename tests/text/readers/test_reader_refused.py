"""Kinds that are not read are refused by name; source code is read as it is."""

import io
import pickle
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reader_helpers import read, zipped

from modou.messages import UserError, catalogue
from modou.text.readers import reader_of, refused
from modou.text.readers.book import read_book
from modou.text.readers.file import File

ZEROS = b"\x00" * 300


def tar() -> bytes:
    """An archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("book.txt"))
    return stream.getvalue()


def array() -> bytes:
    """An array of numbers."""
    stream = io.BytesIO()
    np.save(stream, np.zeros(9))
    return stream.getvalue()


def drawn(form: str) -> bytes:
    """A picture."""
    image: Any = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    image.new("RGB", (20, 20)).save(stream, form)
    return stream.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + ZEROS
KINDS: list[tuple[str, bytes, str]] = [
    ("novel", b"Novel" + b"\x00" * 55 + b"BOOKMOBI" + ZEROS, "kindle"),
    ("novel.azw3", ZEROS, "kindle"),
    ("novel.lit", b"ITOLITLS" + ZEROS, "old_book"),
    ("novel.chm", b"ITSF\x03\x00" + ZEROS, "old_book"),
    ("novel.djvu", b"AT&TFORM" + ZEROS, "scanned"),
    ("novel.doc", OLE, "word"),
    ("novel", OLE, "word"),
    ("novel.docx", OLE, "locked"),
    ("novel.doc", OLE + "EncryptedPackage".encode("utf-16-le"), "locked"),
    ("rows.xls", OLE, "sheet"),
    ("talk.ppt", OLE, "slides"),
    ("talk.pptx", zipped({"[Content_Types].xml": "", "ppt/presentation.xml": ""}), "slides"),
    ("talk.odp", zipped({"mimetype": "application/vnd.oasis.opendocument.presentation", "content.xml": ""}), "slides"),
    ("novel.pages", zipped({"Index/Document.iwa": ""}), "pages"),
    ("novel.ibooks", zipped({"mimetype": "application/x-ibooks+zip", "META-INF/container.xml": ""}), "ibooks"),
    ("net.pt", zipped({"net/data.pkl": "", "net/version": "3"}), "arrays"),
    ("cover.txt", drawn("PNG"), "picture"),
    ("cover", drawn("JPEG"), "picture"),
    ("cover", drawn("GIF"), "picture"),
    ("cover", drawn("TIFF"), "picture"),
    ("cover", drawn("WEBP"), "picture"),
    ("cover.bmp", drawn("BMP"), "picture"),
    ("cover.svg", b'<?xml version="1.0"?><svg><text>a</text></svg>', "picture"),
    ("cover", b"\x00\x00\x00\x18ftypheic" + ZEROS, "picture"),
    ("song", b"ID3\x04" + ZEROS, "sound"),
    ("song.m4a", b"\x00\x00\x00\x18ftypM4A " + ZEROS, "sound"),
    ("film", b"\x00\x00\x00\x18ftypisom" + ZEROS, "video"),
    ("film.mkv", b"\x1aE\xdf\xa3" + ZEROS, "video"),
    ("books.rar", b"Rar!\x1a\x07\x01\x00" + ZEROS, "packed"),
    ("books.7z", b"7z\xbc\xaf\x27\x1c" + ZEROS, "packed"),
    ("books.tar.gz", tar(), "packed"),
    ("run.exe", b"MZ\x90\x00" + ZEROS, "program"),
    ("run", b"\x7fELF" + ZEROS, "program"),
    ("letters.ttf", b"\x00\x01\x00\x00\x00" + ZEROS, "font"),
    ("letters", b"wOF2" + ZEROS, "font"),
    ("x.npy", array(), "arrays"),
    ("x.pkl", pickle.dumps({"a": [1.0, 2.0], "b": ["x" * 300]}, protocol=4), "arrays"),
    ("x.safetensors", b"\x40\x00\x00\x00\x00\x00\x00\x00" + b'{"a": 1}' + ZEROS, "arrays"),
]


@pytest.mark.parametrize(("name", "data", "kind"), KINDS, ids=[name for name, _, _ in KINDS])
def test_it_is_named_with_what_to_do(name: str, data: bytes, kind: str) -> None:
    with pytest.raises(UserError) as caught:
        read(data, name)
    assert caught.value.key == f"text.refused_{kind}"
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_a_database(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()
    assert reader_of(File(path, path.name)) is refused


def test_every_kind_has_its_message() -> None:
    kinds = {key.removeprefix("refused_") for key in catalogue("text") if key.startswith("refused_")}
    assert {kind for _, _, kind in KINDS} <= kinds


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.doc", "These are notes in plain text."),
        ("song.mp3", "[00:01.00]The words of a song."),
        ("notes.db", "A dashed line, and more."),
        ("ID3.txt", "ID3 is a way to tag songs. GIF89a is a picture."),
        ("id3.txt", "ID3 is a way to tag songs."),
        ("tapes.txt", "TPZ was written on the box."),
        ("run.bin", "Begin: the wheels of the bin."),
    ],
)
def test_a_text_under_such_a_name_is_read(name: str, text: str) -> None:
    assert read(text.encode(), name).texts == [text]


def test_a_text_in_wide_characters_is_no_picture() -> None:
    assert read("The wheel turned all day.".encode("utf-16"), "wheel.png").texts == ["The wheel turned all day."]


CODE = 'def f(x):\n\n\treturn x[1] # 井\n<p>"""**no**"""</p>   \n'


@pytest.mark.parametrize("name", ["a.py", "a.JS", "b.c", "x.toml", "y.yml", "src/Makefile", "q.sql.gz", "t.ts"])
def test_source_code_is_read_as_it_is(name: str) -> None:
    found = read(CODE.encode(), name)
    assert found.lines == CODE.split("\n")[:-1] and found.reading.kind == "code"


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\x00", exclude_categories=("Cs", "Cc"))).filter(
        str.strip
    )
)
@settings(max_examples=30, deadline=None)
def test_no_character_of_code_is_lost(text: str) -> None:
    assert "\n".join(str(line) for line in read(f"# {text}\n".encode(), "x.rb").lines) == f"# {text}"


def test_a_folder_tells_of_each_of_them(tmp_path: Path) -> None:
    files = {
        "1.txt": b"The wheel turned all day.",
        "2.mobi": KINDS[0][1],
        "3.pages": KINDS[13][1],
        "4.pt": KINDS[15][1],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    book = read_book(tmp_path)
    for document in book.documents():
        try:
            list(document.lines())
        except UserError as error:
            book.pass_over(document.name, error)
    assert list(book.readings) == ["1.txt"] and list(book.skipped) == ["2.mobi", "3.pages", "4.pt"]
    assert all(name in " ".join(map(str, book.notes)) for name in book.skipped)
