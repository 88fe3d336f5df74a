"""OpenDocument texts (.odt and the flat .fodt): paragraphs, headings, tables row by row."""

import re
import zipfile
from collections.abc import Iterator

from modou.messages import UserError
from modou.text.readers import archive
from modou.text.readers.file import File, Line, Reading
from modou.text.readers.markup import DAMAGED, Flow, chunks, local, parsed, some_text, xml_parser

LAYOUT = None
_KIND = b"application/vnd.oasis.opendocument.text"
_HEADING = re.compile(r"Title|Heading(?:_20_\d+)?")
_ASIDE = {
    "note": "note",
    "annotation": "comment",
    "tracked-changes": "deleted",
    "ruby-text": "ruby",
    "hidden-text": "hidden",
    "title": "alternative",
    "desc": "alternative",
    "script": "script",
    **dict.fromkeys(("table-of-content", "illustration-index", "table-index", "object-index"), "navigation"),
    **dict.fromkeys(("user-index", "alphabetical-index", "bibliography"), "navigation"),
    **dict.fromkeys(("header", "header-left", "header-first", "footer", "footer-left", "footer-first"), "running_head"),
}
_WHITE = re.compile(r"[ \t\r\n]+")
_SPACES = 1000
"""Spaces in a row, at most."""


def recognises(file: File) -> bool:
    """A zip archive that says so, or flat XML."""
    if file.head.startswith(b"PK\x03\x04"):
        with archive.opened(file) as document:
            said = archive.declared_kind(document).startswith(_KIND) or file.suffix in (".odt", ".ott")
            return said and "content.xml" in document.namelist()
    return b"<office:document" in file.head[:4096] and _KIND in file.head


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The text of the document. UserError: damaged, or encrypted."""
    try:
        with file.readable():
            yield from some_text(file, _lines(file, reading))
    except DAMAGED as error:
        raise UserError("text.broken_document", path=file.path, reason=error) from None


def _lines(file: File, reading: Reading) -> Iterator[Line]:
    if not file.head.startswith(b"PK\x03\x04"):
        with file.open() as stream:
            handler = Text(Flow(reading, collapse=False))
            yield from parsed(xml_parser(handler), handler, chunks(stream))
        return
    with archive.opened(file) as document:
        for info in document.infolist():
            with archive.member_opener(document, info, f"{file.name}/{info.filename}")() as stream:
                if info.filename == "META-INF/manifest.xml" and b"encryption-data" in stream.read(1 << 20):
                    raise UserError("text.encrypted", path=file.path)
        for part in ("content.xml", "styles.xml"):
            if part in document.namelist():
                yield from _part(document, file, document.getinfo(part), Text(Flow(reading, collapse=False)))


def _part(document: zipfile.ZipFile, file: File, info: zipfile.ZipInfo, handler: "Text") -> Iterator[Line]:
    with archive.member_opener(document, info, f"{file.name}/{info.filename}")() as stream:
        yield from parsed(xml_parser(handler), handler, chunks(stream))


class Text:
    """The handler of a document."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self._paragraphs: list[bool] = []
        """For each paragraph that is open whether it is a heading: those of a frame lie within another one."""
        self._asides: list[str] = []
        """Elements whose text is set aside, and those of the same name in them."""
        self._hosts: list[Flow] = []
        self._parents: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = local(tag)
        if name in _ASIDE:
            self._asides.append(name)
            self.flow.set_aside(_ASIDE[name])
        elif name in ("p", "h"):
            self._begin_paragraph(name, attributes)
        elif name == "style":
            found = {local(key): value for key, value in attributes.items()}
            self._parents[found.get("name", "")] = found.get("parent-style-name", "")
        elif name == "text-box":
            self._hosts.append(self.flow)
            self.flow = self.flow.within()
        elif name in ("table-cell", "covered-table-cell"):
            self.flow.cell()
        elif name in ("table-row", "table"):
            self.flow.row()
        elif self._paragraphs:
            self._mark(name, attributes)

    def end(self, tag: str) -> None:
        """An element ends."""
        name = local(tag)
        if name in _ASIDE:
            self._asides.pop()
            self.flow.end_aside()
        elif name in ("p", "h"):
            if self._paragraphs.pop():
                self.flow.heading(False)
            else:
                self.flow.end_paragraph()
        elif name in ("table-row", "table"):
            self.flow.row()
        elif name == "text-box":
            box, self.flow = self.flow, self._hosts.pop()
            self.flow.follow(box.end())

    def data(self, data: str) -> None:
        """Text."""
        if self._paragraphs or self._asides:
            self.flow.text(_WHITE.sub(" ", data))

    def close(self) -> None:
        """The document ends."""

    def _begin_paragraph(self, name: str, attributes: dict[str, str]) -> None:
        style = next((value for key, value in attributes.items() if local(key) == "style-name"), "")
        known = _HEADING.fullmatch(style) or _HEADING.fullmatch(self._parents.get(style, ""))
        heading = not self._asides and (name == "h" or known is not None)
        self._paragraphs.append(heading)
        if heading:
            self.flow.heading(True)
        else:
            self.flow.block()

    def _mark(self, name: str, attributes: dict[str, str]) -> None:
        if name == "s":
            count = next((value for key, value in attributes.items() if local(key) == "c"), "1")
            self.flow.text(" " * (min(int(count), _SPACES) if count.isdecimal() else 1))
        elif name == "tab":
            self.flow.text("\t")
        elif name == "line-break":
            self.flow.end_line()
