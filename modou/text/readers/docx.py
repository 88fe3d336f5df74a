"""Word documents (.docx): paragraphs, headings by style or outline level, tables row by row."""

import re
import zipfile
from collections.abc import Iterator

from modou.messages import UserError
from modou.text.readers import archive
from modou.text.readers.file import File, Line, Reading
from modou.text.readers.markup import (
    DAMAGED,
    Flow,
    attribute,
    chunks,
    elements,
    local,
    parsed,
    some_text,
    xml_parser,
    xml_tree,
)

LAYOUT = None
_MAIN = re.compile(r"word/document\d*\.xml")
_PARTS = (
    (re.compile(r"word/(?:footnotes|endnotes)\.xml"), "note"),
    (re.compile(r"word/comments\.xml"), "comment"),
    (re.compile(r"word/(?:header|footer)\d*\.xml"), "running_head"),
)
"""Parts whose text is not that of the document."""
_STYLES = 1 << 24
_HEADING = re.compile(
    r"(?:heading|标题|標題|見出し|제목|überschrift|titre|título|titolo|kop|rubrik|overskrift|заголовок|nagłówek|başlık)\s*[1-9]"
    r"|title|book title|chapter(?: title)?|标题|標題|表題|заголовок|titel|titre|título|titolo",
    re.IGNORECASE,
)
_CONTENTS = re.compile(r"(?:toc|目录|目次|verzeichnis|tm|индекс)\s*[1-9]|toc heading|table of figures", re.IGNORECASE)
_OFF = ("0", "false", "off")
_ASIDE = {
    "del": "deleted",
    "moveFrom": "deleted",
    "instrText": "field",
    "delInstrText": "field",
    "rt": "ruby",
}
_TEXTS = frozenset(("t", "delText", "instrText", "delInstrText"))
_MARKS = {"tab": "\t", "ptab": "\t", "noBreakHyphen": "-"}


def recognises(file: File) -> bool:
    """A zip archive with the main part of a document."""
    if not file.head.startswith(b"PK\x03\x04"):
        return False
    with archive.opened(file) as document:
        return any(map(_MAIN.fullmatch, document.namelist()))


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The text of the document. UserError: damaged."""
    with archive.opened(file) as document, file.readable():
        try:
            styles = _styles(document, file)
            main = Document(Flow(reading, collapse=False), styles)
            body = next(info for info in document.infolist() if _MAIN.fullmatch(info.filename))
            yield from some_text(file, _part(document, file, body, main))
            for info in document.infolist():
                for pattern, kind in _PARTS:
                    if pattern.fullmatch(info.filename):
                        flow = Flow(reading, collapse=False)
                        flow.set_aside(kind)
                        yield from _part(document, file, info, Document(flow, {}))
        except DAMAGED as error:
            raise UserError("text.broken_document", path=file.path, reason=error) from None


def _part(book: zipfile.ZipFile, file: File, info: zipfile.ZipInfo, handler: "Document") -> Iterator[Line]:
    with archive.member_opener(book, info, f"{file.name}/{info.filename}")() as stream:
        yield from parsed(xml_parser(handler), handler, chunks(stream))


def _styles(book: zipfile.ZipFile, file: File) -> dict[str, str]:
    """What each style is, by its id: "heading", "navigation" (a table of contents) or "" (text)."""
    info = next((info for info in book.infolist() if info.filename == "word/styles.xml"), None)
    if info is None or info.file_size > _STYLES:
        return {}
    with archive.member_opener(book, info, f"{file.name}/{info.filename}")() as stream:
        tree = xml_tree(stream.read(_STYLES))
    said, based = dict[str, str](), dict[str, str]()
    for style in elements(tree, "style") if tree is not None else ():
        values = {local(inner.tag): attribute(inner, "val") for inner in elements(style)}
        key, name, level = attribute(style, "styleId"), values.get("name", ""), values.get("outlineLvl", "")
        based[key] = values.get("basedOn", "")
        if _CONTENTS.fullmatch(name):
            said[key] = "navigation"
        elif (level.isdigit() and int(level) < 9) or _HEADING.fullmatch(name):
            said[key] = "heading"
        elif level:
            said[key] = ""
    return {key: _inherited(key, said, based) for key in based}


def _inherited(key: str, said: dict[str, str], based: dict[str, str]) -> str:
    for _ in range(20):  # styles may be based on each other in a circle
        if key in said or not key:
            break
        key = based.get(key, "")
    return said.get(key, "")


class Document:
    """The handler of a part of a document. `styles`: what paragraphs of a style are, by its id."""

    def __init__(self, flow: Flow, styles: dict[str, str]) -> None:
        self.flow = flow
        self._styles = styles
        self._path: list[str] = []
        self._asides: list[int] = []
        """Depths of the elements whose text is set aside."""
        self._kinds: list[str] = []
        """Kinds of the paragraphs that are open: those of a text box lie within another one."""
        self._hosts: list[Flow] = []
        self._skipped = 0
        """Depth of an element that repeats, in another form, what was read."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = local(tag)
        self._path.append(name)
        if self._skipped:
            return
        if name in _ASIDE:
            self._aside(_ASIDE[name])
        elif name == "p":
            self.flow.block()
            self._kinds.append("")
        elif name in ("pStyle", "outlineLvl", "vanish"):
            self._property(name, next((value for key, value in attributes.items() if local(key) == "val"), ""))
        elif name == "txbxContent":
            self._hosts.append(self.flow)
            self.flow = self.flow.within()
        else:
            self._mark(name, attributes)

    def end(self, tag: str) -> None:
        """An element ends."""
        depth, name = len(self._path), self._path.pop()
        if self._skipped:
            self._skipped = 0 if depth == self._skipped else self._skipped
            return
        if name == "pPr" and self._path[-1:] == ["p"]:
            self._begin_paragraph()
        elif name == "p":
            if self._kinds.pop() == "heading":
                self.flow.heading(False)
            else:
                self.flow.end_paragraph()
        elif name in ("tr", "tbl"):
            self.flow.row()
        elif name == "txbxContent":
            box, self.flow = self.flow, self._hosts.pop()
            self.flow.follow(box.end())
        if self._asides and self._asides[-1] == depth:
            self._asides.pop()
            self.flow.end_aside()

    def data(self, data: str) -> None:
        """Text."""
        if not self._skipped and self._path[-1] in _TEXTS:
            self.flow.text(data)

    def close(self) -> None:
        """The part ends."""

    def _mark(self, name: str, attributes: dict[str, str]) -> None:
        if name == "tc":
            self.flow.cell()
        elif name in ("tr", "tbl"):
            self.flow.row()
        elif name in ("br", "cr"):
            self.flow.end_line()
        elif name in _MARKS and self._path[-2:-1] == ["r"]:
            self.flow.text(_MARKS[name])
        elif name == "Fallback":
            self._skipped = len(self._path)
        elif name == "docPr" and attributes.get("descr"):
            self.flow.aside("alternative", attributes["descr"])

    def _property(self, name: str, value: str) -> None:
        if name == "vanish" and self._path[-3:-1] == ["r", "rPr"] and value not in _OFF:
            self._aside("hidden", up=2)
        elif self._path[-3:-1] == ["p", "pPr"]:
            if name == "pStyle":
                by_name = "heading" if _HEADING.fullmatch(value) else ""
                self._kinds[-1] = self._styles.get(value, by_name)
            elif name == "outlineLvl" and value.isdigit() and self._kinds[-1] != "navigation":
                self._kinds[-1] = "heading" if int(value) < 9 else ""

    def _begin_paragraph(self) -> None:
        if self._kinds[-1] == "heading":
            self.flow.heading(True)
        elif self._kinds[-1]:
            self._aside(self._kinds[-1])

    def _aside(self, kind: str, up: int = 0) -> None:
        """Set aside the text up to the end of this element, or of the one so many levels up."""
        depth = len(self._path) - up
        if depth not in self._asides:
            self._asides.append(depth)
            self.flow.set_aside(kind)
