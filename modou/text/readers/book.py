"""Read a book (a text file, a folder of them, or JSON rows) as a stream of documents."""

import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from modou.messages import UserError
from modou.text.readers.encoding import Encoding, checked, detect
from modou.text.readers.rows import Row, read_rows
from modou.text.report import Note, note

LINE_LIMIT = 1 << 20
"""Characters; a longer line is read in pieces that end after a sentence, to bound memory."""

_ROWS = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
_SUFFIXES = (".txt", ".md", ".txt.gz", *_ROWS)
_SENTENCE_END = re.compile(r"[。！？!?…][”’」』】）》\"')]*|(?<=[a-z])\.[”’\"')]*\s")
_KEPT = 3


@dataclass(frozen=True)
class Document:
    """One document of a book. Each call of `lines` reads it from the start, without line ends."""

    name: str
    title: str | None
    lines: Callable[[], Iterator[str]]


@dataclass
class FileReading:
    """How one file was read."""

    encoding: Encoding
    undecodable: int = 0
    """Number of U+FFFD in place of what could not be decoded."""
    lost: list[str] = field(default_factory=list[str])
    """The first few of them, with context."""
    rows: int = 0
    bad_rows: int = 0
    complaints: list[str] = field(default_factory=list[str])
    """The first few bad rows as file:line: reason."""


class Book:
    """A book, read as a stream. `files` and `notes` are complete once all documents have been read."""

    def __init__(self, name: str, paths: tuple[Path, ...], encoding: str = "auto") -> None:
        self.name = name
        self.paths = paths
        self._names = _distinct_names(paths)
        self.files: dict[str, FileReading] = {}
        self.skipped: dict[str, UserError] = {}
        self._encoding = encoding

    def documents(self) -> Iterator[Document]:
        """Yield the documents in order. UserError: the file is not text (in a folder such files are skipped)."""
        for path in self.paths:
            try:
                yield from self._documents_of(path)
            except UserError as error:
                if len(self.paths) == 1:
                    raise
                self.skipped[self._names[path]] = error
        if self.paths and not self.files:
            raise UserError("text.folder_without_text", path=self.paths[0].parent)

    def _documents_of(self, path: Path) -> Iterator[Document]:
        opener = _opener(path)
        with _readable(path):
            found = detect(opener, path) if self._encoding == "auto" else checked(self._encoding)
        reading = self.files[self._names[path]] = FileReading(found)
        if path.name.lower().endswith(_ROWS):
            yield from _row_documents(path, opener, reading)
            if not reading.rows:
                raise UserError("text.no_good_row", path=path, complaint="; ".join(reading.complaints[:1]))
        else:
            yield Document(path.name, None, lambda: _lines(path, opener, reading))

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes on assumed encodings, undecodable characters, and skipped rows and files."""
        notes: list[Note] = []
        by_encoding: dict[Encoding, list[str]] = {}
        for name, reading in self.files.items():
            by_encoding.setdefault(reading.encoding, []).append(name)
            if reading.undecodable:
                where = " | ".join(reading.lost)
                notes.append(note("text.note_undecodable", file=name, count=reading.undecodable, where=where))
            if reading.bad_rows:
                examples = "; ".join(reading.complaints)
                total = reading.rows + reading.bad_rows
                bad = reading.bad_rows
                notes.append(note("text.note_bad_rows", file=name, bad=bad, rows=total, examples=examples))
        for encoding, names in by_encoding.items():
            if encoding.how != "valid":
                some = ", ".join(names[:_KEPT]) + (f" (+{len(names) - _KEPT})" if len(names) > _KEPT else "")
                said = "doubtful" if encoding.rivals else encoding.how
                rivals = ", ".join(encoding.rivals)
                notes.append(note(f"text.note_encoding_{said}", encoding=encoding.codec, files=some, rivals=rivals))
        notes += [note("text.note_skipped", file=name, reason=str(e)) for name, e in self.skipped.items()]
        return tuple(notes)


class TextBook(Book):
    """A book held in memory: each text is a document (generated corpora, tests)."""

    def __init__(self, name: str, texts: Callable[[], Iterator[str]]) -> None:
        super().__init__(name, ())
        self._texts = texts

    def documents(self) -> Iterator[Document]:
        """Yield one document per text."""
        for index, text in enumerate(self._texts(), start=1):
            yield text_document(f"{self.name} {index}", None, text)


def read_book(path: Path, encoding: str = "auto") -> Book:
    """The book at `path`: .txt .md .jsonl .json (also .gz), or a folder of them in natural order. Nothing is read yet.

    UserError: no such path, no text in the folder, not a regular file, unknown encoding.
    """
    if encoding != "auto":
        checked(encoding)
    try:
        if path.is_dir():
            return Book(path.resolve().name, folder_files(path), encoding)
        if not path.exists():
            raise UserError("text.file_missing", path=path)
        if not path.is_file():
            raise UserError("text.not_a_file", path=path)
    except OSError as error:
        raise UserError("text.unreadable", path=path, reason=error.strerror or error) from None
    return Book(path.name.split(".")[0] or path.name, (path,), encoding)


@contextmanager
def open_text(path: Path) -> Generator[io.TextIOWrapper]:
    """Open a file (also .gz) as text in its detected encoding. UserError: missing, damaged, not text."""
    if not path.is_file():
        raise UserError("text.not_a_file" if path.exists() else "text.file_missing", path=path)
    opener = _opener(path)
    with _readable(path), _text_stream(opener, detect(opener, path)) as stream:
        yield stream


def text_document(name: str, title: str | None, text: str) -> Document:
    """Make a document of a text in memory."""
    return Document(name, title, lambda: cut_lines(io.StringIO(text, newline=None)))


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


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts chapter 2 before chapter 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


def folder_files(path: Path) -> tuple[Path, ...]:
    """The files of a folder that are read, in natural order: those of a known format, not hidden, and not within a run
    folder (one with settings.toml, which may lie among the texts). UserError: there is none."""
    runs = {item.parent for item in path.rglob("settings.toml")} - {path}
    found = [
        item
        for item in path.rglob("*")
        if item.name.lower().endswith(_SUFFIXES)
        and item.is_file()
        and not any(part.startswith(".") for part in item.relative_to(path).parts)
        and runs.isdisjoint(item.parents)
    ]
    if not found:
        raise UserError("text.folder_without_text", path=path)
    return tuple(sorted(found, key=lambda item: natural_key(str(item.relative_to(path)))))


def _distinct_names(paths: tuple[Path, ...]) -> dict[Path, str]:
    """What to call each file: its name, with its folder where files of several folders are read."""
    top = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    return {path: str(path.relative_to(top)) for path in paths}


def _opener(path: Path) -> Callable[[], BinaryIO]:
    def open_bytes() -> BinaryIO:
        try:
            stream = path.open("rb")
        except OSError as error:
            raise UserError("text.unreadable", path=path, reason=error.strerror or error) from None
        if stream.peek(2)[:2] != b"\x1f\x8b":
            return stream
        stream.close()
        return cast(BinaryIO, gzip.open(path))

    return open_bytes


@contextmanager
def _readable(path: Path) -> Generator[None]:
    """Turn errors of the disk or of gzip into a UserError."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError("text.broken_gzip", path=path, reason=error) from None
    except OSError as error:
        raise UserError("text.unreadable", path=path, reason=error.strerror or error) from None


def _text_stream(opener: Callable[[], BinaryIO], encoding: Encoding) -> io.TextIOWrapper:
    return io.TextIOWrapper(opener(), encoding=encoding.codec, errors="replace", newline=None)


def _lines(path: Path, opener: Callable[[], BinaryIO], reading: FileReading) -> Iterator[str]:
    reading.undecodable, characters = 0, 0
    reading.lost.clear()
    with _readable(path), _text_stream(opener, reading.encoding) as stream:
        for line in cut_lines(stream):
            characters += len(line)
            _count_lost(line, reading)
            yield line
    if reading.undecodable > max(5, characters // 100) or 2 * reading.undecodable > characters > 0:
        raise UserError("text.too_many_undecodable", path=path, count=reading.undecodable)


def _count_lost(text: str, reading: FileReading) -> None:
    if "\ufffd" in text:
        reading.undecodable += text.count("\ufffd")
        if len(reading.lost) < _KEPT:
            at = text.index("\ufffd")
            reading.lost.append(text[max(0, at - 8) : at + 9].strip())


def _row_documents(path: Path, opener: Callable[[], BinaryIO], reading: FileReading) -> Iterator[Document]:
    with _readable(path), _text_stream(opener, reading.encoding) as stream:
        for row in read_rows(stream):
            if isinstance(row, Row):
                reading.rows += 1
                _count_lost(row.text, reading)
                yield text_document(f"{path.name}:{row.place}", row.title, row.text)
            else:
                reading.bad_rows += 1
                if len(reading.complaints) < 2 * _KEPT:
                    reading.complaints.append(f"{path.name}:{row.place}: {note(row.reason)}")
