"""Rich Text Format, by the specification (RTF 1.9.1): text in code pages and Unicode, headings, notes set aside."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from modou.messages import UserError
from modou.text.readers.file import File, Line, Reading
from modou.text.readers.markup import Flow, some_text
from modou.text.readers.rtf_words import ASIDE, CHARACTERS, IGNORED, KNOWN, codec_of

LAYOUT = None
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\",
    re.DOTALL,
)
_DEEPEST = 2000
"""Groups within each other, at most."""
_BODY = 9
"""The outline level of what is not a heading."""
_HEADING = re.compile(r"(?:heading|标题|標題|überschrift|titre|заголовок) ?[1-9]|title|标题", re.IGNORECASE)


def recognises(file: File) -> bool:
    """By its first word."""
    return file.head.lstrip().startswith(b"{\\rtf")


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The text of the document. UserError: damaged, or without text."""
    with file.readable(), file.open() as stream:
        yield from some_text(file, Document(file, Flow(reading, collapse=False)).read(stream.read()))


@dataclass(frozen=True)
class _Group:
    """What holds within a group."""

    skip: bool = False
    """Whether its text is no text at all, such as a picture or a table of fonts."""
    aside: bool = False
    """Whether the group itself began text that is set aside."""
    table: str = ""
    """"fonttbl" or "stylesheet" within these."""
    font: int = -1
    wide_font: int = -1
    """The font of ideographs, where it is set apart."""
    unseen: str = ""
    """The kind of text that is hidden or deleted."""
    fallback: int = 1
    """Bytes that stand in for a Unicode character."""
    heading: bool = False
    """Whether its paragraphs are headings."""


@dataclass
class _Style:
    number: int = 0
    name: str = ""
    heading: bool = False


class Document:
    """A document as it is read."""

    def __init__(self, file: File, flow: Flow) -> None:
        self._file, self._flow = file, flow
        self._group = _Group()
        self._outer: list[_Group] = []
        self._codec = "cp1252"
        self._codecs: dict[int, str] = {}
        self._default = -1
        self._headings: set[int] = set()
        self._style = _Style()
        self._raw = bytearray()
        """Bytes of text that are not yet decoded: a character may be made of several."""
        self._high = 0
        """The first half of a surrogate pair."""
        self._left = 0
        """Bytes still to be passed over, which stand in for a Unicode character."""
        self._star = False
        self._begun = self._heading = self._wide = False

    def read(self, data: bytes) -> Iterator[Line]:
        """The lines of the document."""
        at = 0
        while found := _TOKEN.match(data, at):
            at = found.end()
            word, number, byte, symbol, brace, text = found.groups()
            if byte is not None:
                self._bytes(bytes((int(byte, 16),)))
            elif text is not None:
                self._bytes(text)
            elif brace or word or symbol:
                if word == b"bin":
                    at += max(0, int(number or 0))
                if not self._command(word, number, symbol, brace):
                    break
                yield from self._flow.take()
        self._decode()
        if self._begun:
            self._end_paragraph()
        yield from self._flow.end()

    def _command(self, word: bytes | None, number: bytes | None, symbol: bytes | None, brace: bytes | None) -> bool:
        """Obey a word, a symbol or a brace. False: the document ends."""
        self._decode()
        if brace:
            return self._brace(brace)
        if word:
            self._word(word.decode("ascii"), None if number is None else int(number))
        elif symbol:
            self._symbol(symbol)
        return True

    def _brace(self, brace: bytes) -> bool:
        """Enter or leave a group. False: the document ends."""
        self._left, self._star = 0, False
        if brace == b"{":
            if len(self._outer) >= _DEEPEST:
                raise UserError("text.broken_document", path=self._file.path, reason="{{{")
            self._outer.append(self._group)
            self._group = replace(self._group, aside=False)
            return True
        if self._group.table == "stylesheet":
            self._end_style()
        if self._group.aside:
            self._flow.end_aside()
        self._group = self._outer.pop() if self._outer else self._group
        return bool(self._outer)

    def _bytes(self, data: bytes) -> None:
        if self._left:
            skipped = min(self._left, len(data))
            self._left -= skipped
            data = data[skipped:]
        self._star = False
        self._raw += data

    def _decode(self) -> None:
        if not self._raw:
            return
        raw, self._raw = bytes(self._raw), bytearray()
        if self._high:
            self._high = 0
            self._text("\ufffd")
        self._text(raw.decode("ascii" if raw.isascii() else self._current(), "replace"))

    def _current(self) -> str:
        """The encoding: of the font, unless that is a Western one in a document of another code page."""
        group = self._group
        for font in (group.font if group.font >= 0 else self._default, group.wide_font):
            if font in self._codecs:
                return self._codecs[font]
        return self._codec

    def _text(self, text: str) -> None:
        group = self._group
        if group.table == "stylesheet":
            self._style.name += text
        elif group.unseen:
            self._flow.aside(group.unseen, text)
        elif not group.skip:
            if not self._begun and not self._flow.is_aside:
                self._begun = True
                self._heading = group.heading
                if self._heading:
                    self._flow.heading(True)
            self._flow.text(text)

    def _symbol(self, symbol: bytes) -> None:
        if self._left:
            self._left -= 1
        elif symbol == b"*":
            self._star = True
        elif symbol in b"\r\n":
            self._end_paragraph()
        elif symbol in b"\\{}~_":
            self._text({b"~": "\u00a0", b"_": "-"}.get(symbol, symbol.decode("ascii")))

    def _word(self, word: str, number: int | None) -> None:
        star, self._star = self._star, False
        if word == "u" and number is not None:
            self._left = self._group.fallback
            self._unicode(number % 0x10000)
            return
        if self._left:
            self._left -= 1
        elif self._destination(word, star):
            return
        elif word in CHARACTERS:
            self._text(CHARACTERS[word])
        elif self._group.table:
            self._entry(word, number or 0)
        elif not self._group.skip:
            self._line_word(word)
            self._set(word, 1 if number is None else number)

    def _destination(self, word: str, star: bool) -> bool:
        """Whether a word says where the text of the group goes."""
        group = self._group
        if word in IGNORED or (star and word not in KNOWN):
            self._group = replace(group, skip=True, table="")
        elif word in ("fonttbl", "stylesheet"):
            self._group = replace(group, skip=True, table=word)
        elif word == "ud":  # the same in Unicode as the group before it
            self._group = replace(group, skip=len(self._outer) > 1 and self._outer[-2].skip)
        elif word in ASIDE and not group.skip:
            if not group.aside:
                self._flow.set_aside(ASIDE[word])
            self._group = replace(group, aside=True)
        else:
            return False
        return True

    def _entry(self, word: str, number: int) -> None:
        """A word of the table of fonts or of styles."""
        if self._group.table == "fonttbl":
            if word == "f":
                self._group = replace(self._group, font=number)
            elif word in ("fcharset", "cpg") and (codec := codec_of(word, number)):
                self._codecs[self._group.font] = codec
        elif word == "s":
            self._style.number = number
        elif word == "outlinelevel":
            self._style.heading = number < _BODY
        elif word == "sbasedon":
            self._style.heading = number in self._headings

    def _end_style(self) -> None:
        if self._style.heading or _HEADING.fullmatch(self._style.name.strip(" ;")):
            self._headings.add(self._style.number)
        self._style = _Style()

    def _line_word(self, word: str) -> None:
        """A word that ends a line, a cell or a row."""
        if word in ("par", "sect", "page", "column", "shptxt"):
            self._end_paragraph()
        elif word == "line":
            self._flow.end_line()
        elif word in ("trowd", "cell", "nestcell"):
            if word == "trowd":
                self._flow.row()
            self._flow.cell()
            self._begun = False
        elif word in ("row", "nestrow"):
            self._flow.row()

    def _end_paragraph(self) -> None:
        if self._flow.is_aside:
            self._flow.block()
            return
        if self._begun and self._heading:
            self._flow.heading(False)
        else:
            self._flow.end_paragraph()
        self._begun = False

    def _set(self, word: str, number: int) -> None:
        """A word that sets what holds in the document, or in the group."""
        if word in ("loch", "hich", "dbch"):
            self._wide = word == "dbch"
        elif word == "deff":
            self._default = number
        elif word in ("ansicpg", "mac", "pc", "pca"):
            self._codec = codec_of(word, number) or self._codec
        elif word in ("pard", "s", "outlinelevel"):
            heading = {"s": number in self._headings, "outlinelevel": number < _BODY}.get(word, False)
            self._group = replace(self._group, heading=heading)
        else:
            self._set_characters(word, number)

    def _set_characters(self, word: str, number: int) -> None:
        group = self._group
        if word == "f":
            self._group = replace(group, font=number, wide_font=number if self._wide else group.wide_font)
        elif word == "af" and self._wide:
            self._group = replace(group, wide_font=number)
        elif word == "uc":
            self._group = replace(group, fallback=max(0, number))
        elif word == "plain":
            self._group = replace(group, font=-1, unseen="")
        elif word in ("v", "deleted"):
            self._group = replace(group, unseen=("hidden" if word == "v" else word) if number else "")

    def _unicode(self, code: int) -> None:
        if 0xD800 <= code < 0xDC00:
            self._high = code
            return
        high, self._high = self._high, 0
        if 0xDC00 <= code < 0xE000:
            self._text(chr(0x10000 + ((high - 0xD800) << 10) + code - 0xDC00) if high else "\ufffd")
        else:
            self._text(("\ufffd" if high else "") + chr(code))
