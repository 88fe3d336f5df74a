"""The corpus of a run: cleaned.txt (one sentence per line, a blank line between chapters) and its split.

Two streaming passes: the first cleans into a working file and measures chapters; the second drops duplicate chapters,
applies the training rules, and writes cleaned.txt and the index of its units.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import Field, Strict

from modou.messages import UserError
from modou.settings.text import CleanSettings
from modou.storage import json_line, parse_form, read_json, to_json, write_text_atomically
from modou.text.clean import Cleaner
from modou.text.headings import Heading
from modou.text.readers.book import Book
from modou.text.report import Cleaning, CleaningReport, visible
from modou.text.rules import Chapter
from modou.text.sentences import join_sentences
from modou.text.split import LEAST, PARTS, Part, Splitter

TEXT, SPLIT, REPORT = "cleaned.txt", "split.json", "cleaning.json"
_WORKING = f"{TEXT}.part"


@dataclass(frozen=True)
class Unit:
    """A byte range of cleaned.txt that belongs to one part: a chapter, or (split by blocks) a piece of one."""

    part: Part
    chapter: int
    offset: int
    size: int
    characters: int


@dataclass(frozen=True)
class Summary:
    """The split of a book into training, validation and test."""

    name: str
    """The book's name."""
    way: Literal["chapters", "blocks", "tail"]
    """By chapters, by blocks of about 2,000 characters, or with the last fifth held out."""
    chapters: int
    """Number of chapters."""
    characters: dict[Part, int]
    """Characters of each part, without line ends."""
    sha256: str
    """SHA-256 of the cleaned text and its split: equal for runs on the same corpus."""
    test_sha256: str
    """SHA-256 of the test text."""


_Count = Annotated[int, Strict(), Field(ge=0)]


@dataclass(frozen=True)
class _Index:
    """split.json. A unit: part, chapter, offset, size, characters."""

    summary: Summary
    headings: list[str | None]
    units: list[tuple[Annotated[int, Strict(), Field(ge=0, lt=len(PARTS))], _Count, _Count, _Count, _Count]]


class Corpus:
    """A cleaned and split book, read from its folder on demand."""

    def __init__(self, folder: Path) -> None:
        """UserError: the folder holds no corpus, or a damaged one."""
        self.folder = folder
        try:
            stored = parse_form(_Index, read_json(folder / SPLIT))
            self.report = parse_form(Cleaning, read_json(folder / REPORT))
            size = (folder / TEXT).stat().st_size
        except (OSError, ValueError) as error:
            raise UserError("text.no_corpus", path=folder, reason=type(error).__name__) from None
        self.summary = stored.summary
        self.headings = stored.headings
        self.units = [Unit(PARTS[part], chapter, *place) for part, chapter, *place in stored.units]
        if self.units and self.units[-1].offset + self.units[-1].size > size:
            raise UserError("text.no_corpus", path=folder, reason=TEXT)

    def texts(self, part: Part) -> Iterator[str]:
        """Yield the documents of a part, one sentence per line, as a model is trained and evaluated on them."""
        with (self.folder / TEXT).open("rb") as stream:
            for unit in self.units:
                if unit.part == part:
                    stream.seek(unit.offset)
                    yield stream.read(unit.size).decode("utf-8").removesuffix("\n")

    def lines(self, part: Part) -> Iterator[str]:
        """Yield the same documents, each on one line. Bits per character count these characters: in validation and
        test all of the book's except headings, page furniture and white space."""
        for text in self.texts(part):
            yield join_sentences(text.split("\n"))

    def characters(self, part: Part) -> int:
        """Number of characters of a part, without line ends."""
        return sum(unit.characters for unit in self.units if unit.part == part)


def prepare(book: Book, folder: Path, settings: CleanSettings | None = None) -> Corpus:
    """Clean and split a book into `folder`, in memory independent of its size.

    UserError: the book cannot be read or is too short; the folder cannot be written.
    """
    settings = settings or CleanSettings()
    report = CleaningReport()
    cleaner = Cleaner(settings, report)
    working, target = folder / _WORKING, folder / f"{TEXT}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with working.open("w", encoding="utf-8", newline="\n", errors="replace") as stream:
            good = cleaner.chapters(list(_first_pass(cleaner.events(book), stream.write)))
        characters = sum(chapter.characters for chapter in good)
        _check_length(characters, report)
        splitter = Splitter(len(good), characters)
        with target.open("wb") as stream:
            writer = _Writer(stream)
            for chapter, sentence, start in _kept_sentences(working, {chapter.place for chapter in good}):
                part = splitter.place(chapter, start, len(sentence))
                for piece in cleaner.finish(sentence, held_out=part != "train"):
                    writer.write(part, chapter, piece)
        _check_parts(writer)
        target.replace(folder / TEXT)
    except OSError as error:
        raise UserError("text.cannot_write", path=folder, reason=error.strerror or error) from None
    finally:
        for leftover in (working, target):
            with suppress(OSError):
                leftover.unlink()
    report.chapters = len(good)
    report.output_characters = writer.visible
    _write_index(folder, splitter, writer, [chapter.heading for chapter in good], report, book)
    return Corpus(folder)


def _check_length(characters: int, report: CleaningReport) -> None:
    """If a rule took most of a text of which too little is left, raise a UserError that names it."""
    name, most = max(report.rules.items(), key=lambda entry: entry[1].removed)
    if characters < LEAST and 2 * most.removed > report.input_characters and most.examples:
        values = {"characters": characters, "least": LEAST, "rule": name, "removed": most.removed}
        raise UserError("text.too_short_by_rule", **values, example=most.examples[0])


def _first_pass(events: Iterable[str | Heading], write: Callable[[str], object]) -> Iterator[Chapter]:
    """Write one sentence per line and a blank line after each chapter; yield the statistics of each chapter."""
    chapter, digest = Chapter(0, None), hashlib.blake2b(digest_size=16)
    for event in chain(events, [Heading(None)]):
        if isinstance(event, str):
            dense = "".join(event.split())
            chapter.opening = chapter.opening or event[:60]
            chapter.characters += len(event)
            chapter.visible += len(dense)
            digest.update(dense.encode("utf-8", "replace"))
            write(event + "\n")
            continue
        if chapter.characters:
            chapter.digest = digest.digest()
            write("\n")
            yield chapter
            chapter, digest = Chapter(chapter.place + 1, None), hashlib.blake2b(digest_size=16)
        # A heading without text (a table of contents, a volume's title) is replaced by the next one.
        chapter.heading = event.text or chapter.heading


def _kept_sentences(working: Path, kept: set[int]) -> Iterator[tuple[int, str, int]]:
    """Yield (chapter number from 1, sentence, characters before it) of the chapters with an index in `kept`."""
    place, chapter, start = 0, 1, 0
    with working.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            sentence = line.removesuffix("\n")
            if not sentence:
                chapter += place in kept
                place += 1
            elif place in kept:
                yield chapter, sentence, start
                start += len(sentence)


class _Writer:
    """Writes cleaned.txt and records its units."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._part: Part | None = None
        self._offset = 0
        self._digest = hashlib.sha256()
        self.visible = 0
        self.chapter = 0
        self.rows: list[array[int]] = []
        """Units as (part, chapter, offset, size, characters)."""

    def write(self, part: Part, chapter: int, sentence: str) -> None:
        if chapter != self.chapter:
            if self.chapter:
                self._put(b"\n")
            self.chapter, self._part = chapter, None
        if part != self._part:
            self.rows.append(array("q", (PARTS.index(part), chapter, self._offset, 0, 0)))
            self._part = part
        size = self._put((sentence + "\n").encode("utf-8"))
        self.rows[-1][3] += size
        self.rows[-1][4] += len(sentence)
        self.visible += visible(sentence)

    def _put(self, data: bytes) -> int:
        self._stream.write(data)
        self._digest.update(data)
        self._offset += len(data)
        return len(data)

    def sha256(self) -> str:
        """SHA-256 of the text and the units."""
        whole = self._digest.copy()
        for row in self.rows:
            whole.update(repr(row.tolist()).encode())
        return whole.hexdigest()


def _check_parts(writer: _Writer) -> None:
    for index, part in enumerate(PARTS):
        if not any(row[0] == index for row in writer.rows):
            raise UserError("text.too_few_sentences", part=part)


def _write_index(
    folder: Path, splitter: Splitter, writer: _Writer, headings: list[str | None], report: CleaningReport, book: Book
) -> None:
    characters: dict[Part, int] = {
        part: sum(row[4] for row in writer.rows if row[0] == i) for i, part in enumerate(PARTS)
    }
    for remark in (*book.notes, *filter(None, (splitter.note(),))):
        report.add(remark)
    summary = Summary(book.name, splitter.way, splitter.chapters, characters, writer.sha256(), "")
    index = _Index(summary, headings, [(p, c, o, s, n) for p, c, o, s, n in writer.rows])
    write_text_atomically(folder / REPORT, json_line(to_json(report.result())) + "\n")
    write_text_atomically(folder / SPLIT, json_line(to_json(index)) + "\n")
    test_sha256 = hashlib.sha256("\n".join(Corpus(folder).lines("test")).encode()).hexdigest()
    index = replace(index, summary=replace(summary, test_sha256=test_sha256))
    write_text_atomically(folder / SPLIT, json_line(to_json(index)) + "\n")
