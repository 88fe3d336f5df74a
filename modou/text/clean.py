"""Cleans a book into chapters of sentences; the rules are in modou.text.rules, their order is here.

control characters → Gutenberg frame → furniture → headings → wrapped lines → sentences → spaces. None of these changes
a character of the text itself. The `repairs` that do (lost glyphs, half-width marks) follow, only in training chapters.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from modou.settings.text import CleanSettings
from modou.text.chapters import Heading, mark_chapters
from modou.text.readers.book import Book, Document, TextBook
from modou.text.report import CleaningReport, RuleReport, visible
from modou.text.rules.furniture import drop_furniture, frame, inside_frame
from modou.text.rules.paragraphs import join_wrapped, joint
from modou.text.rules.repairs import count_left, repair
from modou.text.rules.sentences import LONGEST, split_sentences
from modou.text.rules.simplify import simplifier
from modou.text.rules.spaces import drop_unseen, tidy
from modou.text.survey import Survey, survey


@dataclass(frozen=True)
class Chapter:
    """One chapter: its heading (not part of the text) and its sentences."""

    heading: str | None
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """One sentence per line."""
        return "\n".join(self.sentences)

    @property
    def line(self) -> str:
        """All sentences on one line."""
        return join_sentences(self.sentences)


@dataclass(frozen=True)
class Cleaned:
    """A cleaned book in memory."""

    chapters: tuple[Chapter, ...]
    report: CleaningReport

    @property
    def text(self) -> str:
        """One sentence per line, a blank line between chapters."""
        return "\n\n".join(chapter.text for chapter in self.chapters)


def clean(book: Book | str, settings: CleanSettings | None = None) -> Cleaned:
    """Cleans a book in memory. For large books: `corpus.prepare`.

    UserError: the book cannot be read; OpenCC is missing where `simplify` is set.
    """
    settings = settings or CleanSettings()
    if isinstance(book, str):
        text = book
        book = TextBook("text", lambda: iter((text,)))
    report = CleaningReport()
    finisher = Finisher(settings, report)
    chapters: list[Chapter] = []
    for heading, sentences in _in_chapters(clean_book(book, settings, report)):
        if not finisher.repeats(heading, sentences):
            finished = [piece for sentence in sentences for piece in finisher.finish(sentence, held_out=False)]
            if finished:
                chapters.append(Chapter(heading, tuple(finished)))
    report.chapters = len(chapters)
    report.output_characters = sum(visible(item) for chapter in chapters for item in chapter.sentences)
    for remark in book.notes:
        report.add(remark)
    return Cleaned(tuple(chapters), report)


def clean_book(book: Book, settings: CleanSettings, report: CleaningReport) -> Iterator[str | Heading]:
    """Headings and sentences in order, without repairs, streaming; each chapter starts with a Heading.

    `report` is filled meanwhile.
    """
    unread = CleaningReport()
    for document in book.documents():
        yield Heading(document.title)
        yield from _clean_document(document, settings, report, unread)


def join_sentences(sentences: tuple[str, ...] | list[str]) -> str:
    """Sentences on one line, separated by a space unless they are Chinese."""
    pieces: list[str] = []
    for sentence in sentences:
        if pieces:
            pieces.append(joint(pieces[-1], sentence))
        pieces.append(sentence)
    return "".join(pieces)


class Finisher:
    """The rules that depend on whole chapters or on the split: duplicates, repairs, simplification."""

    def __init__(self, settings: CleanSettings, report: CleaningReport) -> None:
        self._settings = settings
        self._report = report
        self._seen: set[bytes] = set()
        self._simplify: Callable[[str], str] | None = None
        if settings.simplify:
            self._simplify = simplifier(report["simplify"])

    def repeats(self, heading: str | None, sentences: list[str]) -> bool:
        """Whether a chapter is identical to an earlier one (which is reported)."""
        digest = hashlib.blake2b(digest_size=16)
        for sentence in sentences:
            digest.update("".join(sentence.split()).encode("utf-8", "surrogatepass"))
        return self.repeats_digest(digest.digest(), heading, sum(map(visible, sentences)), sentences[0])

    def repeats_digest(self, digest: bytes, heading: str | None, characters: int, opening: str) -> bool:
        """`repeats` from a digest of the chapter's characters without white space."""
        if not self._settings.duplicates:
            return False
        if digest not in self._seen:
            self._seen.add(digest)
            return False
        tally = self._report["duplicates"]
        tally.touch("", times=1, example=f"{heading or ''} {opening[:40]}".strip())
        tally.characters += characters
        tally.removed += characters
        return True

    def finish(self, sentence: str, *, held_out: bool) -> list[str]:
        """Repairs a training sentence (new end marks may split it); a held-out one keeps its characters."""
        pieces = [sentence]
        if held_out:
            count_left(sentence, self._settings, self._report)
        else:
            repaired = repair(sentence, self._settings, self._report)
            if repaired != sentence:
                pieces = [self._tidy(piece) for piece in split_sentences(repaired)]
        if self._simplify:
            pieces = [self._simplify(piece) for piece in pieces]
        return [piece for piece in pieces if piece.strip()]

    def _tidy(self, sentence: str) -> str:
        return tidy(sentence, self._report["spaces"]) if self._settings.spaces else sentence


def _in_chapters(events: Iterator[str | Heading]) -> Iterator[tuple[str | None, list[str]]]:
    """Chapters that have text, from headings and sentences."""
    heading: str | None = None
    sentences: list[str] = []
    for event in events:
        if isinstance(event, str):
            sentences.append(event)
        else:
            if sentences:
                yield heading, sentences
                heading, sentences = None, []
            # A heading without text (a table of contents, a volume's title) is replaced by the next one.
            heading = event.text or heading
    if sentences:
        yield heading, sentences


def _clean_document(
    document: Document, settings: CleanSettings, report: CleaningReport, unread: CleaningReport
) -> Iterator[str | Heading]:
    """`unread`: a report to discard, for the survey's own pass over the rules."""
    framed = frame(document.lines()) if settings.furniture else (False, False)
    found = survey(_without_furniture(document, settings, unread, framed))
    if not settings.headings:
        found = Survey(wrap=found.wrap)
    lines = _without_furniture(document, settings, report, framed)
    marked = mark_chapters(lines, found, report) if settings.headings else lines
    wrap = found.wrap if settings.unwrap else None
    for event in join_wrapped(marked, wrap, report["unwrap"]):
        if isinstance(event, Heading):
            yield event
        else:
            yield from _sentences(event, settings, report)


def _without_furniture(
    document: Document, settings: CleanSettings, report: CleaningReport, framed: tuple[bool, bool]
) -> Iterator[str]:
    lines = _counted(document.lines(), report)
    if settings.spaces:
        lines = drop_unseen(lines, report["control"])
    if settings.furniture:
        if any(framed):
            lines = inside_frame(lines, report["frame"], starts=framed[0], ends=framed[1])
        lines = drop_furniture(lines, report["furniture"])
    return lines


def _counted(lines: Iterator[str], report: CleaningReport) -> Iterator[str]:
    for line in lines:
        report.input_characters += visible(line)
        yield line


def _sentences(paragraph: str, settings: CleanSettings, report: CleaningReport) -> Iterator[str]:
    for sentence in split_sentences(paragraph):
        if len(sentence) >= LONGEST:
            _long(sentence, report["long_lines"])
        kept = tidy(sentence, report["spaces"]) if settings.spaces else sentence
        if kept.strip():
            yield kept


def _long(sentence: str, tally: RuleReport) -> None:
    tally.touch("", times=1, example=f"{sentence[:20]}…")
    tally.characters += len(sentence)
