"""Text with marks into lines: what the readers of HTML, EPUB, DOCX, ODT, FB2 and RTF share.

A parser tells a handler, piece by piece, of elements and text; the handler writes to a Flow, which makes lines.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Protocol

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers.file import LINE_LIMIT, File, Line, Reading, text_lines
from modou.text.sentences import joint

CHUNK = 1 << 16
DAMAGED: type[Exception] = etree.LxmlError
"""What a parser raises where a document cannot be read."""
_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
_WRAPPED = re.compile(rf"(?<=[{_CJK}])[ \t\r\f]*\n[ \t\r\n\f]*(?=[{_CJK}])")
_WHITE = re.compile(r"[ \t\r\n\f]+")
SENTENCE_ENDS = (".", "。", "！", "？", "!", "?", "…", "”", '"', "」")
_FULL, _SHARE = 50, 0.75
"""A line that was wrapped has at least so many columns, and so large a part of the widest of its paragraph."""
_CELL = "\x1f"
"""Between two cells of a row, until the line is finished."""


class Mark(Heading):
    """A place where a table of contents says that a chapter begins."""


class Flow:
    """Lines as they are made: paragraphs, table rows, headings, and text that is set aside."""

    def __init__(self, reading: Reading, *, collapse: bool = True) -> None:
        self.lines: list[Line] = []
        """Finished lines."""
        self.exact = not collapse
        """Whether white space and line ends in the text count; otherwise a run of it is one space."""
        self._reading = reading
        self._parts: list[str] = []
        self._size = 0
        self._gap = ""
        self._row = self._broken = self._ended = False
        self._heading: bool | None = None
        self._aside: list[tuple[str, list[str]]] = []
        self._after: list[Line] = []

    @property
    def is_aside(self) -> bool:
        """Whether text is set aside."""
        return bool(self._aside)

    def text(self, text: str) -> None:
        """Add text to the line, or to what is set aside."""
        if self._aside:
            self._aside[-1][1].append(text)
            return
        if self._gap:
            if not text.strip(" \t\r\n\f") and not self.exact:
                return
            self._close_gap()
        if self.exact and "\n" in text:
            first, *rest = text.split("\n")
            self._add(first)
            for line in rest:
                self.end_line()
                self._add(line)
        else:
            self._add(text)

    def end_line(self) -> None:
        """End a line within a paragraph; two ends make an empty line."""
        if self._aside or self._heading:
            self.text(" ")
        elif self._gap != "\t":
            self._close_gap()
            self._finish(empty=True)
            self._ended = True

    def block(self) -> None:
        """A paragraph, or another block, begins or ends."""
        if self._aside or self._heading:
            self.text(" ")
        elif self._gap != "\t":
            self._gap = "\n"

    def row(self) -> None:
        """A row of a table begins or ends, or the table does."""
        if self._aside or self._heading:
            self.text(" ")
        else:
            self._gap, self._row = "\n", False

    def cell(self) -> None:
        """A cell of a row begins: cells are separated by tabs."""
        if self._aside or self._heading:
            self.text(" ")
        else:
            self._gap = "\t" if self._row else "\n"
            self._row = True

    def heading(self, begins: bool) -> None:
        """A heading begins or ends. One within text that is set aside is not one."""
        if self._aside:
            self.text(" ")
            return
        if begins:
            self.row()
            self._close_gap()
        elif self._heading:
            self._finish()
            self._gap = "\n"
        self._heading = begins

    def preserve(self, exact: bool) -> None:
        """From here on white space and line ends count, or do not."""
        if not self._aside and not self._heading:
            self.row()
            self._close_gap()
            self.exact = exact

    def mark(self, title: str) -> None:
        """A chapter of this title begins here, if a table of contents is right."""
        if not self._aside and not self._heading:
            self.row()
            self._close_gap()
            self.lines.append(Mark(title))

    def set_aside(self, kind: str) -> None:
        """Begin a stretch of text that is not text to learn from. Stretches nest."""
        self._aside.append((kind, []))

    def end_aside(self) -> None:
        """End that stretch."""
        kind, parts = self._aside.pop()
        self._reading.aside(kind, "".join(parts))

    def aside(self, kind: str, text: str) -> None:
        """Set aside a text that stands beside the text, such as the description of a picture."""
        self._reading.aside(kind, text)

    def end_paragraph(self) -> None:
        """A paragraph ends; an empty one is an empty line."""
        if self._gap == "\n":
            self.empty_line()
        self.block()

    def empty_line(self) -> None:
        """An empty line between paragraphs."""
        if not self._row and not self._aside and not self._heading:
            self.block()
            self._close_gap()
            self.lines.append("")

    def within(self) -> "Flow":
        """A flow for a text box, which stands within a paragraph but is not part of it."""
        inner = Flow(self._reading, collapse=not self.exact)
        if self._aside:
            inner.set_aside(self._aside[-1][0])
        return inner

    def follow(self, lines: list[Line]) -> None:
        """Lines of a text box: they follow the paragraph in which it stands."""
        self._after += lines

    def take(self) -> list[Line]:
        """The finished lines, once."""
        lines, self.lines = self.lines, []
        return lines

    def end(self) -> list[Line]:
        """The lines up to the end of the text."""
        while self._aside:
            self.end_aside()
        if self._heading:
            self.heading(False)
        self._finish()
        return self.take()

    def _add(self, text: str) -> None:
        if text:
            self._broken = self._broken or (self._ended and not text.isspace())
            self._parts.append(text)
            self._size += len(text)
            if self._size > LINE_LIMIT:
                *pieces, rest = text_lines("".join(self._parts).replace("\n", " "))
                self.lines += pieces if self.exact else map(collapsed, pieces)
                self._parts, self._size = [rest], 0

    def _close_gap(self) -> None:
        gap, self._gap = self._gap, ""
        if gap == "\t" and self._parts:
            self._parts.append(_CELL)
        elif gap == "\n":
            self._finish()
            if self._broken:  # lines of one paragraph, such as a stanza
                self.lines.append("")
            self._broken = self._ended = False

    def _finish(self, *, empty: bool = False) -> None:
        text = "".join(self._parts)
        self._parts, self._size = [], 0
        if self._heading:
            title = " ".join(text.split())
            self._reading.undecoded(title)
            self.lines += [Heading(title)] if title else []
        else:
            self._finish_line(text, empty)
        self.lines += self._after
        self._after = []

    def _finish_line(self, text: str, empty: bool) -> None:
        cells = text.split(_CELL)
        text = "\t".join(cells if self.exact else map(collapsed, cells)).rstrip(" \t\r\n\f")
        self._reading.undecoded(text)
        if text or empty:
            self.lines.append(text)


def collapsed(text: str) -> str:
    """A text with each run of white space as one space; a line end between ideographs is none."""
    return _WHITE.sub(" ", _WRAPPED.sub("", text) if "\n" in text else text).strip(" ")


def wraps(lines: list[str]) -> list[bool]:
    """For each line of a paragraph whether it goes on in the next one: it is full, and ends no sentence."""
    widths = [sum(2 if char >= "\u2e80" else 1 for char in line) for line in lines]  # ideographs take two columns
    full = max(_FULL, _SHARE * max(widths))
    return [
        width >= full and not line.rstrip().endswith(SENTENCE_ENDS) for line, width in zip(lines, widths, strict=True)
    ]


def unwrapped(lines: list[str]) -> list[str]:
    """The lines of a paragraph, those that go on in the next one joined with it."""
    found: list[list[str]] = []
    goes_on = False
    for line, wrapped in zip(lines, wraps(lines) if lines else (), strict=True):
        line = line.rstrip() if wrapped else line
        if goes_on:
            right = line.lstrip()
            found[-1] += [joint(found[-1][-1], right), right]
        else:
            found.append([line])
        goes_on = wrapped
    return ["".join(pieces) for pieces in found]


class Handler(Protocol):
    """What a parser tells of a document."""

    flow: Flow

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        ...

    def end(self, tag: str) -> None:
        """An element ends."""
        ...

    def data(self, data: str) -> None:
        """Text."""
        ...

    def close(self) -> None:
        """The document ends."""
        ...


def xml_parser(handler: Handler, *, recover: bool = False, encoding: str | None = None) -> Any:
    """A parser of XML that takes nothing from outside the document."""
    return etree.XMLParser(
        target=handler, resolve_entities=False, no_network=True, huge_tree=False, recover=recover, encoding=encoding
    )


def html_parser(handler: Handler) -> Any:
    """A parser of HTML in UTF-8, which takes any text."""
    return etree.HTMLParser(target=handler, encoding="utf-8", no_network=True)


def xml_tree(data: bytes) -> Any:
    """The root of a small document, as far as it can be read; None if it cannot."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, recover=True)
    try:
        return etree.fromstring(data, parser)
    except (etree.LxmlError, ValueError):
        return None


def elements(tree: Any, name: str = "") -> list[Any]:
    """The elements of a document, or those of a name, in order; namespaces are ignored."""
    return [one for one in tree.iter(etree.Element) if not name or local(one.tag) == name]


def attribute(element: Any, name: str) -> str:
    """The value of an attribute, whatever its namespace; "" if it has none."""
    return next((value for key, value in element.attrib.items() if local(key) == name), "")


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a stream, in pieces."""
    return iter(lambda: stream.read(CHUNK), b"")


def some_text(file: File, lines: Iterable[Line]) -> Iterator[Line]:
    """The same lines. UserError, at their end: there is no text."""
    some = False
    for line in lines:
        some = some or bool(line)
        yield line
    if not some:
        raise UserError("text.empty", path=file.path)


def parsed(parser: Any, handler: Handler, chunks: Iterable[bytes]) -> Iterator[Line]:
    """The lines of a document, while it is parsed. lxml.etree.XMLSyntaxError: it is damaged."""
    for chunk in chunks:
        parser.feed(chunk)
        yield from handler.flow.take()
    parser.close()
    yield from handler.flow.end()


def local(tag: str) -> str:
    """The name of an element or attribute without its namespace."""
    return tag.rpartition("}")[2]
