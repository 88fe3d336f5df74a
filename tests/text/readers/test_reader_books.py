"""A folder of books in many formats, through cleaning: chapters, and every character accounted for."""

import io
from pathlib import Path

import docx
import pytest
from reader_helpers import zipped
from text_helpers import clean

from modou.text.readers.book import read_book

SAID = ["The tide came in at four.", "Nobody had moved the boat.", "“Whose is it?” asked Tam.", "It was his own."]
PARAGRAPHS = "".join(f"<p>{said}</p>" for said in SAID)
OPF = """<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="a" href="a.xhtml"/></manifest>
<spine><itemref idref="a"/></spine></package>"""


def word() -> bytes:
    """A Word document."""
    document, stream = docx.Document(), io.BytesIO()
    document.add_heading("One", 1)
    for said in SAID:
        document.add_paragraph(said)
    document.save(stream)
    return stream.getvalue()


BOOKS = {
    "1.html": f"<html><head><title>x</title></head><body><h1>One</h1>{PARAGRAPHS}</body></html>".encode(),
    "2.epub": zipped(
        {
            "META-INF/container.xml": '<container><rootfile full-path="b.opf"/></container>',
            "b.opf": OPF,
            "a.xhtml": f"<html><body><h1>One</h1>{PARAGRAPHS}</body></html>",
        }
    ),
    "3.docx": word(),
    "4.odt": zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f'<o:d xmlns:o="o" xmlns="t"><h>One</h>{PARAGRAPHS}</o:d>',
        }
    ),
    "5.rtf": (
        r"{\rtf1\ansi\ansicpg1252\pard\outlinelevel0 One\par\pard "
        + "".join(said.replace("“", r"\'93").replace("”", r"\'94") + r"\par " for said in SAID)
        + "}"
    ).encode(),
    "6.fb2": f"<FictionBook><body><title><p>One</p></title>{PARAGRAPHS}</body></FictionBook>".encode(),
    "7.md": ("# One\n\n" + "\n\n".join(SAID)).encode(),
    "8.rst": ("One\n===\n\n" + "\n\n".join(SAID)).encode(),
}


@pytest.mark.parametrize("name", sorted(BOOKS))
def test_each_is_cleaned_to_the_same_sentences(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BOOKS[name])
    found = clean(read_book(tmp_path / name))
    assert [(chapter.heading, chapter.sentences) for chapter in found.chapters] == [("One", SAID)]
    assert found.report.result().unaccounted == 0


def test_a_folder_of_them_is_accounted_for(tmp_path: Path) -> None:
    for name, data in BOOKS.items():
        (tmp_path / name).write_bytes(data)
    found = clean(read_book(tmp_path))
    assert found.report.result().unaccounted == 0
    assert [file.reader for file in found.report.files] == [
        "html",
        "epub",
        "docx",
        "odt",
        "rtf",
        "fb2",
        "markdown",
        "rst",
    ]
    assert {file.name for file in found.report.files} == set(BOOKS)
