"""Reading: characters of a book that are read, cleaned, split and written per second of CPU time, format by format.

    python benchmarks/reading.py [--characters 1000000] [--rounds 3] [--text FILE] [--json FILE]

The same generated English novel (or the paragraphs of FILE, plain text in UTF-8) in each format; one process on one
core. Rates: fastest of the rounds. "wrapped" is .txt with lines of at most 70 characters, "line" the whole in one."""

import csv
import html
import io
import json
import random
import tempfile
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from common import parser, print_table, write_json

from modou.text.corpus import prepare
from modou.text.readers.book import read_book

WORDS = (
    "the a of and to in was that it for on with as at by from river lantern kettle orchard winter letter bridge garden"
    " brother stone quiet slowly carried opened walked answered nothing something window morning harbour bread"
)
XML = '<?xml version="1.0" encoding="utf-8"?>'
CONTAINER = (
    f'{XML}<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile'
    ' full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def paragraphs(characters: int) -> Iterator[str]:
    """A novel: a heading, then forty paragraphs of two to eight sentences, and so on."""
    draw, words = random.Random(1), WORDS.split()
    written = chapter = 0
    while written < characters:
        chapter += 1
        yield f"Chapter {chapter}"
        for _ in range(40):
            sentences = [" ".join(draw.choices(words, k=draw.randint(5, 25))) for _ in range(draw.randint(2, 8))]
            text = " ".join(f"{sentence.capitalize()}." for sentence in sentences)
            written += len(text)
            yield text


def zipped(members: dict[str, str]) -> bytes:
    """An archive of these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return stream.getvalue()


def epub(texts: list[str]) -> bytes:
    """An EPUB of forty-one paragraphs a page."""
    pages = [texts[start : start + 41] for start in range(0, len(texts), 41)]
    names = [f"page{number}.xhtml" for number in range(len(pages))]
    items = "".join(f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in names)
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    package = (
        f'{XML}<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>{items}</manifest>'
        f"<spine>{spine}</spine></package>"
    )
    members = {"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "book.opf": package}
    return zipped(members | {name: XML + page(texts) for name, texts in zip(names, pages, strict=True)})


def page(texts: list[str]) -> str:
    """A page of HTML."""
    body = "".join(f"<p>{html.escape(text)}</p>\n" for text in texts)
    return f'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>A novel</title></head><body>{body}</body></html>'


def docx(texts: list[str]) -> bytes:
    """A Word document."""
    body = "".join(f'<w:p><w:r><w:t xml:space="preserve">{html.escape(text)}</w:t></w:r></w:p>' for text in texts)
    document = f'{XML}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'
    return zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": document})


def table(texts: list[str]) -> bytes:
    """Rows of a number and a text, as CSV."""
    stream = io.StringIO()
    csv.writer(stream).writerows([("number", "text"), *enumerate(texts)])
    return stream.getvalue().encode()


FORMATS: dict[str, Callable[[list[str]], bytes]] = {
    "book.txt": lambda texts: "\n".join(texts).encode(),
    "wrapped.txt": lambda texts: "\n\n".join(textwrap.fill(text, 70) for text in texts).encode(),
    "line.txt": lambda texts: " ".join(texts).encode(),
    "book.html": lambda texts: page(texts).encode(),
    "book.epub": epub,
    "book.docx": docx,
    "book.csv": table,
    "book.jsonl": lambda texts: "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts).encode(),
}


def seconds(path: Path, folder: Path, rounds: int) -> float:
    """CPU seconds of the fastest preparation of a book."""
    times: list[float] = []
    for _ in range(rounds):
        began = time.process_time()
        prepare(read_book(path), folder / "corpus")
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--characters", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--text", type=Path)
    given = options.parse_args()
    texts = given.text.read_text(encoding="utf-8").split("\n") if given.text else [*paragraphs(given.characters)]
    texts = [text.strip() for text in texts if text.strip()]
    characters = sum(map(len, texts))
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for file, write in FORMATS.items():
            path = Path(name, file)
            path.write_bytes(write(texts))
            figures[file] = characters / seconds(path, Path(name), given.rounds)
    print_table(("format", "characters/s"), [(file, f"{rate:,.0f}") for file, rate in figures.items()])
    write_json(given.json, {"read": {"characters": characters, "characters_per_second": figures}})


if __name__ == "__main__":
    main()
