"""A file as a reader sees it: its bytes unpacked, its first bytes, its text in the encoding that was found."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers.encoding import Encoding, checked, detect
from modou.text.report import Note, RuleReport

HEAD = 1 << 16
"""Bytes from which a reader recognises a file."""
LINE_LIMIT = 1 << 20
"""Characters; a longer line is read in pieces that end after a sentence, to bound memory."""
KEPT = 3
"""Examples of each kind of fault that a note shows."""

Line = str | Heading
"""A line without its end, or a heading that the format itself marks, which starts a chapter."""

_SENTENCE_END = re.compile(r"[。！？!?…][”’」』】）》\"')]*|(?<=[a-z])\.[”’\"')]*\s")
MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte-order marks."""
_BOMB, _BOMB_BYTES = 400, 1 << 26
"""A file that unpacks to more than so many times its size, and to more than so many bytes, is not a text."""
_PACKED = ((b"\x1f\x8b", ".gz"), (b"\xfd7zXZ\x00", ".xz"), (b"BZh", ".bz2"), (b"\x28\xb5\x2f\xfd", ".zst"))
_DAMAGED = (gzip.BadGzipFile, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError)


@dataclass
class Reading:
    """How one file is read. Counts are those of the last pass over it."""

    kind: str
    """Name of the reader."""
    encoding: Encoding | None = None
    undecodable: int = 0
    """Number of U+FFFD in place of what could not be decoded."""
    lost: list[str] = field(default_factory=list[str])
    """The first few of them, with context."""
    rows: int = 0
    bad_rows: int = 0
    complaints: list[str] = field(default_factory=list[str])
    """The first few bad rows as file:line: reason."""
    set_aside: RuleReport = field(default_factory=RuleReport)
    """Text of the file that is not text to learn from, by kind: a key of the messages text.aside_KIND."""
    remarks: list[Note] = field(default_factory=list[Note])
    """What the user should know of how it was read."""

    def begin(self) -> None:
        """Start a pass over the file."""
        self.undecodable = self.rows = self.bad_rows = 0
        self.lost, self.complaints, self.set_aside, self.remarks = [], [], RuleReport(), []

    def aside(self, kind: str, text: str) -> None:
        """Count a text that is not passed on."""
        if text and not text.isspace():
            self.set_aside.kinds[kind] += 1
            self.set_aside.touch(text)

    def remark(self, remark: Note) -> None:
        """Tell the user something once."""
        if remark not in self.remarks:
            self.remarks.append(remark)

    def undecoded(self, text: str) -> None:
        """Count the replacement characters of a text that is passed on."""
        if "\ufffd" in text:
            self.undecodable += text.count("\ufffd")
            if len(self.lost) < KEPT:
                at = text.index("\ufffd")
                self.lost.append(text[max(0, at - 8) : at + 9].strip())

    def complain(self, complaint: str) -> None:
        """Count a row that cannot be used."""
        self.bad_rows += 1
        if len(self.complaints) < 2 * KEPT:
            self.complaints.append(complaint)


class File:
    """A file, or a member of an archive. `name`: as shown, with its folder or archive where there are several."""

    def __init__(
        self, path: Path, name: str, encoding: str = "auto", opens: Callable[[], BinaryIO] | None = None
    ) -> None:
        self.path, self.name = path, name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        self.taken = 0
        """Bytes of the file, as it is on the disk, that all passes have read."""
        self.columns = ""
        """Which columns of a table hold the text and the titles, as in settings.text.CleanSettings."""
        self._named = encoding
        self._opens = opens

    @property
    def suffix(self) -> str:
        """The ending of the name in small letters, that of packed data aside: ".txt" of "Book.TXT.gz"."""
        path = PurePosixPath(self.name.lower())
        return PurePosixPath(path.stem).suffix if path.suffix in (end for _, end in _PACKED) else path.suffix

    def member(self, name: str, opens: Callable[[], BinaryIO]) -> "File":
        """A part of this file, which is a file itself."""
        return File(self.path, name, self._named, opens)

    def open(self) -> BinaryIO:
        """The bytes, unpacked. UserError: cannot be opened; while they are read: damaged, or a bomb."""
        with self.readable():
            stream = self._opens() if self._opens else self.path.open("rb")
            start = stream.read(6)
            stream.seek(0)
            counted = _Counted(stream, self)
            for mark, ending in _PACKED:
                if start.startswith(mark):
                    bounded = _Bounded(_unpacked(counted, ending, self.path), counted, self.path)
                    return io.BufferedReader(bounded, HEAD)
            return io.BufferedReader(counted, HEAD)

    @property
    def on_disk(self) -> Path | BinaryIO:
        """What a library opens that jumps about in a file: the file, or the bytes of a member or of a packed one
        in memory."""
        with self.readable():
            if self._opens is None:
                with self.path.open("rb") as stream:
                    start = stream.read(6)
                if not start.startswith(tuple(mark for mark, _ in _PACKED)):
                    return self.path
            with self.open() as stream:
                return io.BytesIO(stream.read())

    @cached_property
    def head(self) -> bytes:
        """The first bytes."""
        with self.readable(), self.open() as stream:
            return stream.read(HEAD)

    @cached_property
    def opening(self) -> str:
        """The first bytes as text, of which the ASCII characters are right in any encoding."""
        for mark, codec in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
            if self.head.startswith(mark):
                return self.head.decode(codec, "replace")
        wide = "utf-16-be" if self.head[:1] == b"\x00" else "utf-16-le" if self.head[1:2] == b"\x00" else "utf-8"
        return self.head.decode(wide, "replace")

    @cached_property
    def encoding(self) -> Encoding:
        """The encoding of its text. UserError: it is not text."""
        with self.readable():
            return detect(self.open, self.path) if self._named == "auto" else checked(self._named)

    def declared(self, codec: str) -> None:
        """Take the encoding that the format declares if none is named, and the whole file decodes in it."""
        if self._named != "auto" or "encoding" in self.__dict__ or self.head.startswith(MARKS):
            return
        with self.readable(), self.open() as stream:
            decoder = codecs.getincrementaldecoder(codec)()
            try:
                while piece := stream.read(HEAD):
                    decoder.decode(piece)
                decoder.decode(b"", final=True)
            except UnicodeError:
                return
        self.encoding = Encoding(codec, "valid")

    @contextmanager
    def text(self, reading: Reading) -> Generator[io.TextIOWrapper]:
        """The file as text, in the encoding that was found or named, with "\\n" as the line end."""
        reading.encoding = self.encoding
        with (
            self.readable(),
            io.TextIOWrapper(self.open(), encoding=reading.encoding.codec, errors="replace", newline=None) as stream,
        ):
            yield stream

    @contextmanager
    def readable(self) -> Generator[None]:
        """Turn errors of the disk or of packed data into a UserError."""
        try:
            yield
        except (*_DAMAGED, *_zstandard_errors()) as error:
            raise UserError("text.broken_packing", path=self.path, reason=error) from None
        except OSError as error:
            raise UserError("text.unreadable", path=self.path, reason=error.strerror or error) from None


class _Raw(io.RawIOBase):
    """A stream over another one."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


class _Counted(_Raw):
    """A stream that counts the bytes taken from it."""

    def __init__(self, stream: BinaryIO, file: File) -> None:
        super().__init__(stream)
        self._file = file
        self.taken = 0

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.taken += len(data)
        self._file.taken += len(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Bounded(_Raw):
    """An unpacked stream. UserError: it is out of all proportion to the packed one."""

    def __init__(self, stream: BinaryIO, packed: _Counted, path: Path) -> None:
        super().__init__(stream)
        self._packed, self._path = packed, path
        self._given = 0

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._given += len(data)
        if self._given > max(_BOMB_BYTES, _BOMB * self._packed.taken):
            raise UserError("text.bomb", path=self._path, times=_BOMB)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        self._packed.close()
        super().close()


class _Zstandard(_Raw):
    """An unpacked stream, which is unpacked anew to go back in it."""

    def __init__(self, packed: BinaryIO, zstandard: Any) -> None:
        self._packed, self._zstandard = packed, zstandard
        super().__init__(self._anew())

    def _anew(self) -> BinaryIO:
        self._packed.seek(0)
        return self._zstandard.ZstdDecompressor().stream_reader(self._packed, read_across_frames=True)

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and offset < self.tell():
            self._stream = self._anew()
        return self._stream.seek(offset, whence)


def _unpacked(stream: io.RawIOBase, ending: str, path: Path) -> BinaryIO:
    raw = cast(BinaryIO, io.BufferedReader(stream, 1 << 13))
    match ending:
        case ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        case ".xz":
            return cast(BinaryIO, lzma.LZMAFile(raw))
        case ".bz2":
            return cast(BinaryIO, bz2.BZ2File(raw))
        case _:
            return cast(BinaryIO, _Zstandard(raw, library("zstandard", path)))


def _zstandard_errors() -> tuple[type[Exception], ...]:
    return (sys.modules["zstandard"].ZstdError,) if "zstandard" in sys.modules else ()


def library(name: str, path: Path) -> Any:
    """A library of the extra "books". UserError: it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        raise UserError("text.library_missing", path=path, library=name.partition(".")[0]) from None


def cut_lines(stream: io.TextIOBase) -> Iterator[str]:
    """Yield lines without line ends; a line longer than LINE_LIMIT in pieces that end after a sentence."""
    rest = ""
    while piece := stream.readline(LINE_LIMIT):
        line = rest + piece
        if line.endswith("\n"):
            rest = ""
            yield line[:-1]
        elif len(piece) == LINE_LIMIT:
            ends = [found.end() for found in _SENTENCE_END.finditer(line, len(line) // 2) if found.end() < len(line)]
            cut = ends[-1] if ends else len(line)
            yield line[:cut]
            rest = line[cut:]
        else:
            rest = line
    if rest:
        yield rest


def text_lines(text: str) -> Iterator[str]:
    """The lines of a text in memory, as `cut_lines` gives them."""
    return cut_lines(io.StringIO(text, newline=None))
