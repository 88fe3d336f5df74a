"""FictionBook 2 (.fb2): sections with their titles; notes, description and pictures are not the text."""

import re
from collections.abc import Iterator
from html import unescape
from typing import TextIO

from modou.text.readers.file import File, Line, Reading
from modou.text.readers.html import declare
from modou.text.readers.markup import CHUNK, Flow, local, parsed, some_text, xml_parser
from modou.text.report import note

LAYOUT = None
_NOTES = ("notes", "comments", "footnotes")
_BLOCKS = ("p", "v", "subtitle", "text-author", "section", "poem", "cite", "epigraph", "annotation", "body", "date")
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z][A-Za-z0-9]{1,31};")


def recognises(file: File) -> bool:
    """XML whose root is a FictionBook."""
    head = file.head[:4096].replace(b"\x00", b"")
    return b"<FictionBook" in head and head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The text of the book. UserError: it is not text."""
    declare(file)
    handler = Book(Flow(reading))
    parser = xml_parser(handler, recover=True, encoding="utf-8")
    with file.text(reading) as stream:
        yield from some_text(file, parsed(parser, handler, _chunks(stream)))
    if len(parser.feed_error_log):
        reading.remark(note("text.note_damaged", file=file.name, reason=parser.feed_error_log[0].message.strip()))


def _chunks(stream: TextIO) -> Iterator[bytes]:
    """The text in pieces; entities of HTML, which XML does not know, are characters."""
    rest = ""
    while piece := stream.read(CHUNK):
        piece = rest + piece
        cut = piece.rfind("&", len(piece) - 40) if "&" in piece[-40:] else len(piece)
        rest = piece[cut:]
        yield _known(piece[:cut])
    yield _known(rest)


def _known(text: str) -> bytes:
    text = _ENTITY.sub(lambda found: unescape(found[0]), text) if "&" in text else text
    return text.encode("utf-8", "replace")


class Book:
    """The handler of a book."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self._open: list[str] = []
        """The elements that are open, each with the kind of text that it sets aside."""
        self._skipped = 0
        """Pictures that are open: their data is no text."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = local(tag)
        kind = _aside(name, attributes)
        self._open.append(kind)
        self._skipped += name == "binary"
        if kind:
            self.flow.set_aside(kind)
        elif name == "title":
            self.flow.heading(True)
        elif name in ("td", "th"):
            self.flow.cell()
        elif name in ("table", "tr"):
            self.flow.row()
        elif name == "empty-line":
            self.flow.empty_line()
        elif name in _BLOCKS:
            self.flow.block()

    def end(self, tag: str) -> None:
        """An element ends."""
        name = local(tag)
        self._skipped -= name == "binary"
        if self._open.pop():
            self.flow.end_aside()
        elif name == "title":
            self.flow.heading(False)
        elif name in ("table", "tr"):
            self.flow.row()
        elif name == "stanza":
            self.flow.empty_line()
        elif name in _BLOCKS:
            self.flow.block()

    def data(self, data: str) -> None:
        """Text."""
        if not self._skipped:
            self.flow.text(data)

    def close(self) -> None:
        """The book ends."""


def _aside(name: str, attributes: dict[str, str]) -> str:
    """Why the text of an element is not text to learn from, if so."""
    if name == "body" and attributes.get("name", "").lower() in _NOTES:
        return "note"
    if name == "a" and attributes.get("type") == "note":
        return "note_mark"
    return {"description": "metadata", "stylesheet": "script"}.get(name, "")
