"""Web pages: HTML and XHTML, by content also where the name says .txt."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

from modou.text.readers.file import File, Line, Reading
from modou.text.readers.markup import CHUNK, Flow, html_parser, parsed, some_text
from modou.text.report import note, visible

LAYOUT = None
SUFFIXES = (".html", ".htm", ".xhtml", ".xht", ".shtml")

_BLOCKS = frozenset(
    """address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure footer
    form header hgroup hr html legend li main menu ol optgroup p pre section summary ul""".split()  # noqa: SIM905
)
_ROWS = ("table", "tr", "thead", "tbody", "tfoot", "caption")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905
_ASIDE = {
    **dict.fromkeys(("script", "style", "template"), "script"),
    **dict.fromkeys(("title", "head"), "metadata"),
    **dict.fromkeys(("rt", "rp", "rtc"), "ruby"),
    **dict.fromkeys(("nav",), "navigation"),
    **dict.fromkeys(("noscript", "iframe", "object", "audio", "video", "canvas", "svg", "annotation"), "alternative"),
    **dict.fromkeys(("button", "select", "textarea", "datalist"), "controls"),
}
_NOTES = frozenset(("footnote", "footnotes", "endnote", "endnotes", "rearnote", "rearnotes"))
_NAVIGATION = frozenset(("toc", "landmarks", "page-list", "lot", "loi"))
_REFERENCES = frozenset(("noteref", "backlink"))
_CLASS = re.compile(r"(?:duokan-)?(?:foot|end)notes?(?:[-_]\w+)*|noteref|references|reflist")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([\w.:-]+)|<meta[^>]*charset\s*=\s*[\"']?\s*([\w.:-]+)", re.I)
_WIDER = {
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("big5", "cp950"), "big5hkscs"),
    **dict.fromkeys(("euc_kr", "ks_c_5601_1987"), "cp949"),
    "shift_jis": "cp932",
}
"""Codecs that hold what pages of a declared one hold in truth."""
_DEFAULTS = ("iso8859-1", "cp1252", "ascii")
"""What editors declare without being asked: such a declaration says nothing."""
_PAGE = re.compile(rb"<!doctype\s+html|<html[\s>]|<body[\s>]", re.IGNORECASE)
_TAG = re.compile(
    rb"</?(?:p|br|div|span|h[1-6]|b|i|em|strong|font|table|tr|td|li|ul|ol|a|center|hr)(?:\s[^<>]*)?/?>", re.I
)
_LEAST_TAGS = 6
_PAIR = re.compile(rb"</(?:p|div|span|h[1-6]|td|li|b|a|font|center)>|<br\s*/?>", re.IGNORECASE)


def recognises(file: File) -> bool:
    """A document that begins as one, or a text with tags in a quarter of its lines or more."""
    head = file.head.replace(b"\x00", b"")
    if file.suffix in SUFFIXES:
        return b"<" in head
    start = head[:1024].lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith(b"<") and _PAGE.search(start):
        return True
    lines = [line for line in head.splitlines() if line.strip()]
    tagged = sum(bool(_TAG.search(line)) for line in lines)
    several = 4 * tagged >= len(lines) and len(_TAG.findall(head)) >= _LEAST_TAGS
    return file.suffix in ("", ".txt") and several and _PAIR.search(head) is not None


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The text of the page. UserError: it is not text."""
    if file.suffix not in SUFFIXES:
        reading.remark(note("text.note_html", file=file.name))
    yield from some_text(file, page_lines(file, Page(reading), reading))


def page_lines(file: File, page: "Page", reading: Reading) -> Iterator[Line]:
    """The lines of a page, which `page` is told of."""
    declare(file)
    with file.text(reading) as stream:
        chunks = iter(lambda: stream.read(CHUNK).encode("utf-8", "replace"), b"")
        yield from parsed(html_parser(page), page, chunks)


def declare(file: File) -> None:
    """Take the encoding that the page declares, if the whole file decodes in it."""
    found = _DECLARED.search(file.head[:4096])
    name = (found[1] or found[2]).decode("ascii") if found else "utf-8"
    with suppress(LookupError):
        codec = codecs.lookup(name).name
        if codec not in _DEFAULTS and not codec.startswith(("utf-16", "utf-32", "utf-7")):
            file.declared(_WIDER.get(codec, codec))


class Page:
    """The handler of a page. `anchors`: ids that a table of contents names, with the titles of their chapters."""

    def __init__(self, reading: Reading, anchors: dict[str, str] | None = None) -> None:
        self.flow = Flow(reading)
        self.links = self.linked = 0
        """Links to other pages, and characters in them."""
        self._reading = reading
        self._anchors = anchors or {}
        self._asides: list[tuple[str, int]] = []
        """Elements whose text is set aside, each with the number of elements of its name that are open in it."""
        self._open: Counter[str] = Counter()
        self._link = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        if (title := self._anchors.get(attributes.get("id") or attributes.get("name", ""))) is not None:
            self.flow.mark(title)
        if tag == "img" and attributes.get("alt"):
            self._reading.aside("alternative", attributes["alt"])
        if tag in _VOID:
            self._void(tag)
            return
        self._open[tag] += 1
        if tag == "a":
            self._link = attributes.get("href", "")
            self.links += bool(self._link) and not self._link.startswith("#")
        kind = _ASIDE.get(tag) or self._kind(tag, attributes)
        if kind:
            self._asides.append((tag, self._open[tag]))
            self.flow.set_aside(kind)
        self._edge(tag, begins=True)

    def end(self, tag: str) -> None:
        """An element ends."""
        if tag in _VOID:
            return
        self._edge(tag, begins=False)
        if self._asides and self._asides[-1] == (tag, self._open[tag]):
            self._asides.pop()
            self.flow.end_aside()
        self._open[tag] -= 1
        if tag == "a":
            self._link = ""

    def data(self, data: str) -> None:
        """Text."""
        if self._link and not self._link.startswith("#"):
            self.linked += visible(data)
        self.flow.text(data)

    def comment(self, text: str) -> None:
        """A comment, or a section of characters, which HTML takes for one."""
        if text.startswith("[CDATA["):
            self.flow.text(text[7:].removesuffix("]]"))
        elif not text.startswith("?"):  # a processing instruction
            self._reading.aside("comment", text)

    def close(self) -> None:
        """The page ends."""

    def _void(self, tag: str) -> None:
        if tag == "br":
            self.flow.end_line()
        elif tag == "hr":
            self.flow.block()

    def _edge(self, tag: str, *, begins: bool) -> None:
        if tag in _HEADINGS:
            self.flow.heading(begins)
        elif tag in _ROWS:
            self.flow.row()
        elif tag in ("td", "th"):
            if begins:
                self.flow.cell()
        elif tag in _BLOCKS:
            self.flow.block()
        if tag == "pre":
            self.flow.preserve(begins)

    def _kind(self, tag: str, attributes: dict[str, str]) -> str | None:
        """Why the text of an element is not text to learn from, if so."""
        if not attributes and tag != "sup":
            return None
        if tag == "sup" and self._open["a"] and "#" in self._link:
            return "note_mark"
        if tag == "a" and self._open["sup"] and "#" in self._link:
            return "note_mark"
        said = {*attributes.get("epub:type", "").split(), *attributes.get("role", "").removeprefix("doc-").split()}
        if said & _REFERENCES:
            return "note_mark"
        if said & _NOTES or any(_CLASS.fullmatch(name) for name in attributes.get("class", "").split()):
            return "note"
        if said & _NAVIGATION:
            return "navigation"
        return "hidden" if "hidden" in attributes or _HIDDEN.search(attributes.get("style", "")) else None
