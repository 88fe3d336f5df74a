"""The corpus of a run: cleaned.txt (one sentence per line, a blank line between chapters) and its split.

Two streaming passes: the first cleans into a working file and measures chapters; the second drops duplicate chapters,
applies the training rules, and writes cleaned.txt and the index of its units.
"""

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

from pydantic import Field, Strict

from modou.messages import UserError
from modou.settings.text import RULES, CleanSettings, Layout
from modou.storage import json_line, parse_form, read_json, to_json, write_text_atomically
from modou.text.clean import TELL, Cleaner, headings_kept
from modou.text.headings import Heading
from modou.text.readers.book import Book
from modou.text.report import Cleaning, CleaningReport, note, visible
from modou.text.rules import Chapter
from modou.text.sentences import join_sentences
from modou.text.split import LEAST, PARTS, Part, Splitter, Way

TEXT, SPLIT, REPORT = "cleaned.txt", "split.json", "cleaning.json"
_WORKING = f"{TEXT}.part"
_READING = 0.6
"""The first pass's share of the time."""
_PASSES = 2
"""How often a file is read meanwhile: it is surveyed, and cleaned."""


@dataclass(frozen=True, slots=True)
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
    way: Way
    """By chapters, by blocks of about 2,000 characters, with the last fifth held out; given = texts of their own."""
    chapters: int
    """Number of chapters."""
    characters: dict[Part, int]
    """Characters of each part, without line ends."""
    sha256: str
    """SHA-256 of the cleaned text and its split: equal for runs on the same corpus."""
    test_sha256: str
    """SHA-256 of the test text."""
    sentences: bool
    """Whether lines are the sentences of prose, which may be joined; else they are units of their own."""


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
        """Yield the same documents, those of prose each on one line. Bits per character count these characters: in
        validation and test all of the book's except headings, page furniture and white space."""
        for text in self.texts(part):
            yield join_sentences(text.split("\n")) if self.summary.sentences else text

    def characters(self, part: Part) -> int:
        """Number of characters of a part, without line ends."""
        return sum(unit.characters for unit in self.units if unit.part == part)


def prepare(
    book: Book,
    folder: Path,
    settings: CleanSettings | None = None,
    given: Mapping[Part, Book] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Corpus:
    """Clean and split a book into `folder`, in memory independent of its size. `progress` is often told the share that
    is done.

    given: texts that are the validation or the test part, exactly as they stand but for the last line end; the book
    is then not divided for them. UserError: the book cannot be read or is too short; the folder cannot be written.
    """
    settings = settings or CleanSettings()
    report = CleaningReport(settings.keep)
    expected = max(1, _PASSES * book.size)
    cleaner = Cleaner(settings, report, lambda: progress(_READING * min(1.0, book.taken / expected)))
    working, target = folder / _WORKING, folder / f"{TEXT}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with working.open("w", encoding="utf-8", newline="\n", errors="replace") as stream:
            chapters = list(_first_pass(cleaner.events(book, folder), stream.write))
        good = cleaner.chapters([chapter for chapter in chapters if chapter.visible])
        characters = sum(chapter.characters for chapter in good)
        _check_length(characters, report)
        splitter = Splitter(len(good), characters, frozenset(given or ()))
        with target.open("wb") as stream:
            writer = _Writer(stream)
            whole = max(1, sum(chapter.visible for chapter in good))
            told = 0
            for place in _places(working, chapters, good, splitter):
                pieces = cleaner.finish(place.text, held_out=place.part != "train", layout=place.layout)
                for number, piece in enumerate(pieces, 1):
                    writer.write(place.part, place.chapter, piece, ended=place.ended or number < len(pieces))
                if writer.visible >= told:
                    told = writer.visible + TELL
                    progress(_READING + (1 - _READING) * min(1.0, writer.visible / whole))
            report.output_characters = writer.visible
            for part, text in (given or {}).items():
                _write_exactly(writer, part, text, report)
        # A part may have held nothing but what a training rule removes.
        if len({row[0] for row in writer.rows if row[4]}) < len(PARTS):
            raise UserError("text.too_short", characters=writer.visible, least=LEAST)
        target.replace(folder / TEXT)
    except OSError as error:
        raise UserError("text.cannot_write", path=folder, reason=error.strerror or error) from None
    finally:
        for leftover in (working, target):
            with suppress(OSError):
                leftover.unlink()
    report.chapters = len(good)
    _write_index(folder, splitter, writer, good, report, book)
    return Corpus(folder)


def _check_length(characters: int, report: CleaningReport) -> None:
    """If a rule took most of a text of which too little is left, raise a UserError that names it."""
    name, most = max(((name, report[name]) for name in RULES), key=lambda entry: entry[1].removed)
    if characters < LEAST and 2 * most.removed > report.input_characters and most.examples:
        values = {"characters": characters, "least": LEAST, "rule": name, "removed": most.removed}
        raise UserError("text.too_short_by_rule", **values, example=most.examples[0].before)


def _first_pass(events: Iterable[str | Heading], write: Callable[[str], object]) -> Iterator[Chapter]:
    """Write the lines of all chapters one after the other; yield the statistics of each chapter."""
    chapter, digest, blanks = Chapter(0, None), hashlib.blake2b(digest_size=16), 0
    for event in chain(events, [Heading(None)]):
        if isinstance(event, Heading):
            if chapter.visible:
                chapter.digest = digest.digest()
                yield chapter
                chapter, digest = Chapter(chapter.place + 1, None), hashlib.blake2b(digest_size=16)
            # A heading without text (a table of contents, a volume's title) is replaced by the next one.
            chapter.heading, chapter.layout, blanks = event.text or chapter.heading, event.layout, 0
            continue
        if not event.strip() and chapter.layout != "exact":
            blanks += bool(chapter.visible)  # blank lines around a heading are not part of a chapter
            continue
        write("\n" * blanks + event + "\n")
        dense = "".join(event.split())
        chapter.opening = chapter.opening or event[:60]
        chapter.lines, blanks = chapter.lines + blanks + 1, 0
        chapter.characters += len(event)
        chapter.visible += len(dense)
        digest.update(dense.encode("utf-8", "replace"))


class _Place(NamedTuple):
    """A line, or a piece of one that has not `ended`, and where it belongs."""

    part: Part
    chapter: int
    """Its number, from 1."""
    layout: Layout
    text: str
    ended: bool


def _places(working: Path, chapters: list[Chapter], good: list[Chapter], splitter: Splitter) -> Iterator[_Place]:
    """The lines of the good chapters, long ones divided between parts."""
    numbers = {chapter.place: number for number, chapter in enumerate(good, 1)}
    start = 0
    with working.open(encoding="utf-8", newline="\n") as stream:
        for chapter in chapters:
            number = numbers.get(chapter.place)
            for _ in range(chapter.lines):
                line = stream.readline().removesuffix("\n")
                if number is None:
                    continue
                pieces = splitter.pieces(number, line, start)
                for count, (part, text) in enumerate(pieces, 1):
                    yield _Place(part, number, chapter.layout, text, count == len(pieces))
                start += len(line)


def _write_exactly(writer: "_Writer", part: Part, book: Book, report: CleaningReport) -> None:
    """Write each document of a book as a unit of a part, every character as it is. UserError: there is no text."""
    before = writer.visible
    for document in book.documents():
        chapter = writer.chapter + 1
        for line in headings_kept(document.lines()):
            if isinstance(line, str):
                writer.write(part, chapter, line)
    if writer.visible == before:
        raise UserError("text.empty", path=book.name)
    report.add(note("text.note_given", part=part, name=book.name, characters=writer.visible - before))
    for remark in book.notes:
        report.add(remark)


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

    def write(self, part: Part, chapter: int, text: str, *, ended: bool = True) -> None:
        """Write a line, or a piece of one that has not `ended`."""
        if chapter != self.chapter:
            if self.chapter:
                self._put(b"\n")
            self.chapter, self._part = chapter, None
        if part != self._part:
            self.rows.append(array("q", (PARTS.index(part), chapter, self._offset, 0, 0)))
            self._part = part
        size = self._put((text + "\n" * ended).encode("utf-8"))
        self.rows[-1][3] += size
        self.rows[-1][4] += len(text)
        self.visible += visible(text)

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


def _write_index(
    folder: Path, splitter: Splitter, writer: _Writer, chapters: list[Chapter], report: CleaningReport, book: Book
) -> None:
    characters: dict[Part, int] = {
        part: sum(row[4] for row in writer.rows if row[0] == i) for i, part in enumerate(PARTS)
    }
    report.passed_over = {name: str(error) for name, error in book.skipped.items()}
    for remark in (*book.notes, *filter(None, (splitter.note(),))):
        report.add(remark)
    found = report.result()
    if found.unaccounted:
        report.add(note("text.note_unaccounted", characters=found.unaccounted))
    joined = all(chapter.layout == "prose" for chapter in chapters)
    summary = Summary(book.name, splitter.way, splitter.chapters, characters, writer.sha256(), "", joined)
    headings = [chapter.heading for chapter in chapters]
    index = _Index(summary, headings, [(p, c, o, s, n) for p, c, o, s, n in writer.rows])
    write_text_atomically(folder / REPORT, json_line(to_json(report.result())) + "\n")
    write_text_atomically(folder / SPLIT, json_line(to_json(index)) + "\n")
    test_sha256 = hashlib.sha256("\n".join(Corpus(folder).lines("test")).encode()).hexdigest()
    index = replace(index, summary=replace(summary, test_sha256=test_sha256))
    write_text_atomically(folder / SPLIT, json_line(to_json(index)) + "\n")
