"""Clean a book into chapters of sentences with the rules of modou.text.rules.

lines → survey of the document → headings and paragraphs → sentences → chapters → training chapters
"""

from collections.abc import Iterator

from modou.settings.text import CleanSettings
from modou.text.headings import Heading
from modou.text.lines import numbered
from modou.text.readers.book import Book, Document
from modou.text.report import CleaningReport, visible
from modou.text.rules import Chapter, rules
from modou.text.sentences import LONGEST, split_sentences
from modou.text.survey import survey


class Cleaner:
    """The cleaning rules as a streaming pipeline; `report` is filled as it runs."""

    def __init__(self, settings: CleanSettings, report: CleaningReport) -> None:
        self._report = report
        self._survey_report = CleaningReport()
        """Discarded: the survey's pass over the lines would count every change twice."""
        self._lines = {one: rules(settings, "lines", one.rules) for one in (report, self._survey_report)}
        self._document, self._sentence, self._chapters = (
            rules(settings, place, report.rules) for place in ("document", "sentence", "chapters")
        )
        self._training = [rules(settings, "training", tallies) for tallies in (report.rules, report.held_out)]

    def events(self, book: Book) -> Iterator[str | Heading]:
        """Yield headings and sentences in order; each chapter starts with a Heading.

        UserError: the book cannot be read; `simplify` is set but OpenCC is not installed.
        """
        for document in book.documents():
            yield Heading(document.title)
            found = survey(self._lines_of(document, self._survey_report))
            for remark in found.notes:
                self._report.add(remark)
            events = numbered(self._lines_of(document, self._report))
            for rule in self._document:
                events = rule(events, found)
            for event in events:
                if isinstance(event, Heading):
                    self._report.headings += event.text is not None
                    yield event
                    continue
                for sentence in self._sentences(event):
                    if len(sentence) >= LONGEST:
                        self._report["long_lines"].touch("", example=f"{sentence[:20]}…")
                        self._report["long_lines"].characters += len(sentence)
                    yield sentence

    def chapters(self, chapters: list[Chapter]) -> list[Chapter]:
        """Return the chapters that the chapter rules keep."""
        for rule in self._chapters:
            chapters = list(rule(chapters))
        return chapters

    def finish(self, sentence: str, *, held_out: bool) -> list[str]:
        """Apply the training rules to a sentence; if it is held out, count their changes but return it as it is."""
        repaired = sentence
        for rule in self._training[held_out]:
            repaired = rule(repaired)
        if held_out or repaired == sentence:
            return [sentence]
        return [*self._sentences(repaired)]  # new end marks may split it

    def _lines_of(self, document: Document, report: CleaningReport) -> Iterator[str]:
        lines = self._counted(document, report)
        for rule in self._lines[report]:
            lines = rule(lines)
        return lines

    def _counted(self, document: Document, report: CleaningReport) -> Iterator[str]:
        for line in document.lines():
            report.input_characters += visible(line)
            yield line

    def _sentences(self, paragraph: str) -> Iterator[str]:
        """The non-blank sentences of a paragraph after the sentence rules."""
        for sentence in split_sentences(paragraph):
            for rule in self._sentence:
                sentence = rule(sentence)
            if sentence.strip():
                yield sentence
