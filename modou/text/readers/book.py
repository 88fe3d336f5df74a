"""A book: one file, an archive, or a folder of files, read as a stream of documents."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from modou import messages
from modou.messages import UserError
from modou.settings.text import Layout
from modou.text.readers import archive, reader_of
from modou.text.readers.encoding import Encoding, checked
from modou.text.readers.file import KEPT, File, Line, Reading, text_lines
from modou.text.readers.order import natural_key
from modou.text.report import Note, note

_TOLD = 50
"""Files passed over that notes name."""


@dataclass(frozen=True)
class Document:
    """One file of a book."""

    name: str
    lines: Callable[[], Iterator[Line]]
    """Each call reads it from the start."""
    layout: Layout | None = None
    """What the format says of its lines; None: to be found out."""


class Book:
    """A book, read as a stream. `readings`, `skipped` and `notes` are complete once all documents have been read."""

    def __init__(
        self, name: str, files: tuple[File, ...], skipped: dict[str, UserError] | None = None, columns: str = ""
    ) -> None:
        for file in files:
            file.columns = columns
        self.name = name
        self.files = files
        self.readings: dict[str, Reading] = {}
        self.skipped = skipped or {}
        self.size = sum(file.path.stat().st_size for file in files)
        """Bytes on the disk."""

    def documents(self) -> Iterator[Document]:
        """Yield the documents in order. UserError: nothing can be read."""
        for file in self.files:
            try:
                reader = reader_of(file)
            except UserError as error:
                self.pass_over(file.name, error)
                continue
            reading = self.readings[file.name] = Reading(reader.__name__.rpartition(".")[2])
            yield Document(file.name, _lines_of(file, reader.lines, reading), reader.LAYOUT)
        if self.files and not self.readings:
            raise UserError("text.folder_without_text", path=self.files[0].path.parent)

    def pass_over(self, name: str, error: UserError) -> None:
        """Leave a file out. UserError, that same one: it is the only one."""
        if len(self.files) == 1:
            raise error
        self.skipped[name] = error
        self.readings.pop(name, None)

    @property
    def taken(self) -> int:
        """Bytes read so far, by all passes over all files."""
        return sum(file.taken for file in self.files)

    @property
    def notes(self) -> tuple[Note, ...]:
        """Notes on assumed encodings, undecodable characters, and rows and files that were passed over."""
        notes: list[Note] = []
        by_encoding: dict[Encoding, list[str]] = {}
        for name, reading in self.readings.items():
            notes += reading.remarks
            if reading.encoding:
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
                some = ", ".join(names[:KEPT]) + (f" (+{len(names) - KEPT})" if len(names) > KEPT else "")
                said = "doubtful" if encoding.rivals else encoding.how
                rivals = ", ".join(encoding.rivals)
                notes.append(note(f"text.note_encoding_{said}", encoding=encoding.codec, files=some, rivals=rivals))
        if kinds := sum((reading.set_aside.kinds for reading in self.readings.values()), Counter[str]()):
            told = (f"{messages.text(f'text.aside_{kind}')} ({count})" for kind, count in kinds.most_common())
            notes.append(note("text.note_aside", kinds=", ".join(told)))
        skipped = list(self.skipped.items())
        notes += [note("text.note_skipped", file=name, reason=str(error)) for name, error in skipped[:_TOLD]]
        if len(skipped) > _TOLD:
            notes.append(note("text.note_skipped_more", count=len(skipped) - _TOLD))
        return tuple(notes)


class TextBook(Book):
    """A book held in memory: each text is a document (generated corpora, tests)."""

    def __init__(self, name: str, texts: Callable[[], Iterator[str]]) -> None:
        super().__init__(name, ())
        self._texts = texts

    def documents(self) -> Iterator[Document]:
        """Yield one document per text."""
        for index, text in enumerate(self._texts(), start=1):
            yield Document(f"{self.name} {index}", _in_memory(text))


def read_book(path: Path, encoding: str = "auto", columns: str = "") -> Book:
    """The book at `path`: a file of a known format, an archive, or a folder of them in natural order. `columns`: which
    columns of its tables hold the text and the titles.

    Nothing is read yet but the lists of archives. UserError: no such path, an empty folder, not a regular file,
    unknown encoding, an archive that is damaged or hostile.
    """
    if encoding != "auto":
        checked(encoding)
    skipped = dict[str, UserError]()
    try:
        if path.is_dir():
            found = [(str(item.relative_to(path)), item) for item in folder_files(path, skipped)]
            name = path.resolve().name
        elif not path.exists():
            raise UserError("text.file_missing", path=path)
        elif not path.is_file():
            raise UserError("text.not_a_file", path=path)
        else:
            found, name = [(path.name, path)], path.name.split(".")[0] or path.name
    except OSError as error:
        raise UserError("text.unreadable", path=path, reason=error.strerror or error) from None
    files: list[File] = []
    for shown, item in found:
        file = File(item, shown, encoding)
        try:
            files += archive.members(file, encoding, skipped) if archive.recognises(file) else [file]
        except UserError as error:
            if len(found) == 1:
                raise
            skipped[shown] = error
    if not files:
        raise UserError("text.folder_without_text", path=path)
    return Book(name, tuple(files), skipped, columns)


@contextmanager
def open_text(path: Path) -> Generator[TextIO]:
    """Open a file (also packed) as text in its detected encoding. UserError: missing, damaged, not text."""
    if not path.is_file():
        raise UserError("text.not_a_file" if path.exists() else "text.file_missing", path=path)
    with File(path, path.name).text(Reading("plain")) as stream:
        yield stream


def folder_files(path: Path, skipped: dict[str, UserError] | None = None) -> tuple[Path, ...]:
    """The files of a folder in natural order, but for hidden ones and those of a run folder (one with settings.toml,
    which may lie among the texts), which are noted in `skipped`. UserError: there is none."""
    skipped = {} if skipped is None else skipped
    runs = {item.parent for item in path.rglob("settings.toml")} - {path}
    found: list[Path] = []
    for item in path.rglob("*"):
        inner = item.relative_to(path)
        if any(part.startswith(".") or part == "__MACOSX" for part in inner.parts) or not item.is_file():
            continue
        if runs.isdisjoint(item.parents):
            found.append(item)
    for run in sorted(runs):
        skipped[str(run.relative_to(path))] = UserError("text.run_folder_passed")
    if not found:
        raise UserError("text.folder_without_text", path=path)
    return tuple(sorted(found, key=lambda item: natural_key(str(item.relative_to(path)))))


def _lines_of(
    file: File, lines: Callable[[File, Reading], Iterator[Line]], reading: Reading
) -> Callable[[], Iterator[Line]]:
    def read() -> Iterator[Line]:
        reading.begin()
        return lines(file, reading)

    return read


def _in_memory(text: str) -> Callable[[], Iterator[Line]]:
    return lambda: text_lines(text)
