"""EPUB 2 and 3: the pages in the order of the spine; chapters begin at headings and where the contents say so."""

import zipfile
from collections.abc import Iterator

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers import archive
from modou.text.readers.epub_package import Item, Package
from modou.text.readers.file import File, Line, Reading
from modou.text.readers.html import Page, page_lines
from modou.text.readers.markup import Mark, some_text
from modou.text.report import visible

LAYOUT = None
_NEAR = 3
"""Lines after a place that the contents name, in which the page's own heading is looked for."""
_LINKS = 3
"""A page of links alone, and at least so many, is a table of contents."""


def recognises(file: File) -> bool:
    """A zip archive with the container of a book; Apple's .ibooks has pages of another kind."""
    if file.suffix == ".ibooks" or not file.head.startswith(b"PK\x03\x04"):
        return False
    with archive.opened(file) as book:
        return "META-INF/container.xml" in book.namelist()


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The text of the pages. UserError: encrypted, damaged, or without text."""
    with archive.opened(file) as book:
        yield from some_text(file, _pages(book, file, reading))


def _pages(book: zipfile.ZipFile, file: File, reading: Reading) -> Iterator[Line]:
    found = Package(book, file)
    for item in found.spine():
        reading.rows += 1
        try:
            yield from _page(book, found, item, file, reading)
        except UserError as error:  # costs the page, not the book
            if error.key != "text.empty":
                reading.rows -= 1
                reading.complain(str(error))


def _page(book: zipfile.ZipFile, found: Package, item: Item, file: File, reading: Reading) -> Iterator[Line]:
    shown = f"{file.name}/{item.path}"
    info = found.member(item.path)
    if info is None:
        raise UserError("text.member_missing", path=shown)
    page = Page(reading, item.anchors)
    whole = list(page_lines(file.member(shown, archive.member_opener(book, info, shown)), page, reading))
    text = "\n".join(line if isinstance(line, str) else line.text or "" for line in whole if not isinstance(line, Mark))
    if item.aside or (page.links >= _LINKS and page.linked >= 0.8 * visible(text)):
        reading.aside(item.aside or "navigation", text)
        return
    yield from settled([*([Mark(item.title)] if item.title else []), *whole])


def settled(lines: list[Line]) -> Iterator[Line]:
    """The lines. A mark becomes a heading unless the page has one there; lines that are its title are that heading."""
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not isinstance(line, Mark):
            yield line
            continue
        near = _near(lines, at)
        if any(isinstance(lines[i], Heading) for i in near):
            continue
        yield Heading(line.text)
        for count, i in enumerate(near, start=1):
            if _bare("".join(str(lines[j]) for j in near[:count])) == _bare(line.text or ""):
                at = i + 1


def _near(lines: list[Line], at: int) -> list[int]:
    """Where the next few lines that are not empty stand, up to the next mark."""
    found: list[int] = []
    for i in range(at, len(lines)):
        if isinstance(lines[i], Mark) or len(found) == _NEAR:
            break
        if lines[i]:
            found.append(i)
    return found


def _bare(text: str) -> str:
    return "".join(text.split())
