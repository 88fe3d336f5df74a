"""Cleaning in memory, as if all chapters were for training."""

import hashlib
from dataclasses import dataclass, field

from modou.settings.text import CleanSettings
from modou.text import rules
from modou.text.clean import Cleaner
from modou.text.readers.book import Book, TextBook
from modou.text.report import CleaningReport, visible
from modou.text.sentences import join_sentences


@dataclass
class Chapter(rules.Chapter):
    sentences: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.sentences)

    @property
    def line(self) -> str:
        return join_sentences(self.sentences)


@dataclass
class Cleaned:
    chapters: list[Chapter]
    report: CleaningReport

    @property
    def text(self) -> str:
        """One sentence per line, a blank line between chapters."""
        return "\n\n".join(chapter.text for chapter in self.chapters)


def clean(book: Book | str, settings: CleanSettings | None = None) -> Cleaned:
    settings = settings or CleanSettings()
    report = CleaningReport(settings.keep)
    cleaner = Cleaner(settings, report)
    chapters: list[Chapter] = [Chapter(0, None)]
    for event in cleaner.events(TextBook("text", lambda: iter((book,))) if isinstance(book, str) else book):
        if isinstance(event, str):
            chapters[-1].sentences.append(event)
        else:
            if chapters[-1].sentences:
                chapters.append(Chapter(len(chapters), None))
            chapters[-1].heading = event.text or chapters[-1].heading
    for chapter in chapters:
        dense = "".join("".join(chapter.sentences).split())
        chapter.digest = hashlib.sha256(dense.encode("utf-8", "replace")).digest()
        chapter.visible = len(dense)
    chapters = cleaner.chapters([chapter for chapter in chapters if chapter.sentences])
    for chapter in chapters:
        chapter.sentences = [
            piece for sentence in chapter.sentences for piece in cleaner.finish(sentence, held_out=False)
        ]
    chapters = [chapter for chapter in chapters if chapter.sentences]
    report.output_characters = sum(visible(sentence) for chapter in chapters for sentence in chapter.sentences)
    return Cleaned(chapters, report)
