"""Clean a book into chapters of sentences with the rules of modou.text.rules.

lines → survey of the file → layout → headings and paragraphs → sentences → chapters → training chapters
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from modou.messages import UserError
from modou.settings.text import CleanSettings, Layout
from modou.text.headings import Heading
from modou.text.layout import Decision, LineShape
from modou.text.numbered import numbered
from modou.text.readers.book import Book, Document
from modou.text.readers.file import Line
from modou.text.report import BookFile, CleaningReport, note, visible
from modou.text.rules import Chapter, rules
from modou.text.sentences import LONGEST, split_sentences
from modou.text.spool import Spool, open_spool
from modou.text.survey import Survey, survey

TELL = 10_000
"""Characters after which progress is told again."""


class Cleaner:
    """The cleaning rules as a streaming pipeline; `report` is filled as it runs. `read` is called again and again while
    lines are read."""

    def __init__(
        self, settings: CleanSettings, report: CleaningReport, read: Callable[[], None] = lambda: None
    ) -> None:
        self._settings, self._report, self._read = settings, report, read
        self._document = {one: rules(settings, "document", report.rules, one) for one in ("prose", "lines")}
        self._sentence = {one: rules(settings, "sentence", report.rules, one) for one in ("prose", "lines")}
        self._chapters = rules(settings, "chapters", report.rules)
        self._training = [rules(settings, "training", tallies) for tallies in (report.rules, report.held_out)]

    def events(self, book: Book, folder: Path | None = None) -> Iterator[str | Heading]:
        """Yield headings and lines of the cleaned text in order; each chapter starts with a Heading. `folder`: where a
        document's lines are held meanwhile.

        UserError: the book cannot be read; `simplify` is set but OpenCC is not installed.
        """
        with open_spool(folder) as spool:
            for document in book.documents():
                yield from self._cleaned(book, document, spool)

    def _cleaned(self, book: Book, document: Document, spool: Spool) -> Iterator[str | Heading]:
        shape, report = LineShape(), CleaningReport(self._settings.keep)
        lines = self._counted(document, report)
        for rule in rules(self._settings, "lines", report.rules):
            lines = rule(lines)
        try:
            found = survey(shape.watch(spool.watch(lines)))
        except UserError as error:
            book.pass_over(document.name, error)
            return
        decision = self._decide(document, shape, found)
        found.blocks = found.blocks and decision.layout == "prose"  # a stanza is no chapter
        if decision.layout == "prose":
            for remark in found.notes:
                self._report.add(remark)
        if decision.layout == "exact":
            events = headings_kept(self._counted(document, CleaningReport()))  # as it stands
        else:
            self._report.add_rules(report)
            events = self._events_of(spool, found, decision.layout)
        self._report.input_characters += report.input_characters
        yield Heading(None, decision.layout)  # a file is a chapter, at least
        for event in events:
            if isinstance(event, Heading):
                self._report.headings += event.text is not None
                yield Heading(event.text, decision.layout)
            else:
                yield event
        self._account(book, document, decision, report.input_characters)

    def _decide(self, document: Document, shape: LineShape, found: Survey) -> Decision:
        if self._settings.layout != "auto":
            return Decision(self._settings.layout, "set")
        if document.layout:
            return Decision(document.layout, "format")
        return shape.decide(bool(found.wrap or found.chapter_a_line), found.blocks)

    def _account(self, book: Book, document: Document, decision: Decision, characters: int) -> None:
        """What was read of a file, and how."""
        reading = book.readings.get(document.name)
        if reading is None:
            return
        self._report["reader"].add(reading.set_aside)
        self._report.input_characters += reading.set_aside.removed - reading.set_aside.added
        encoding = reading.encoding.codec if reading.encoding else None
        reason = str(note(f"text.layout_{decision.reason}"))
        if decision.layout != "prose" and decision.reason != "set":
            self._report.add(note(f"text.note_layout_{decision.layout}", files=document.name, reason=reason))
        facts = BookFile(document.name, reading.kind, encoding, characters, decision.layout, reason)
        self._report.files.append(facts)

    def _events_of(self, spool: Spool, found: Survey, layout: Layout) -> Iterator[str | Heading]:
        events = numbered(spool.lines())
        if "headings" in self._settings.skip:
            events = headings_kept(events)
        for rule in self._document[layout]:
            events = rule(events, found)
        for event in events:
            if isinstance(event, Heading):
                yield event
            elif layout == "lines":
                yield self._line(event)
            else:
                for sentence in self._sentences(event):
                    if len(sentence) >= LONGEST:
                        end = sentence[-20:]
                        self._report["long_lines"].touch("", example=(end, f"{end}\n"))
                        self._report["long_lines"].characters += len(sentence)
                    yield sentence

    def chapters(self, chapters: list[Chapter]) -> list[Chapter]:
        """Return the chapters that the chapter rules keep."""
        for rule in self._chapters:
            chapters = list(rule(chapters))
        return chapters

    def finish(self, sentence: str, *, held_out: bool, layout: Layout = "prose") -> list[str]:
        """Apply the training rules to a sentence; if it is held out, count their changes but return it as it is."""
        if layout == "exact" or not sentence:
            return [sentence]
        repaired = sentence
        for rule in self._training[held_out]:
            repaired = rule(repaired)
        if held_out or repaired == sentence:
            return [sentence]
        return [*self._sentences(repaired)] if layout == "prose" else [repaired]  # new end marks may split it

    def _counted(self, document: Document, report: CleaningReport) -> Iterator[Line]:
        told = 0
        for line in document.lines():
            if isinstance(line, Heading) and line.text and "\n" in line.text:  # a title of a data file
                line = Heading(" ".join(line.text.split()))
            report.input_characters += visible((line.text or "") if isinstance(line, Heading) else line)
            if report.input_characters >= told:
                told = report.input_characters + TELL
                self._read()
            yield line

    def _line(self, line: str) -> str:
        for rule in self._sentence["lines"]:
            line = rule(line)
        return line

    def _sentences(self, paragraph: str) -> Iterator[str]:
        """The non-blank sentences of a paragraph after the sentence rules."""
        for sentence in split_sentences(paragraph):
            for rule in self._sentence["prose"]:
                sentence = rule(sentence)
            if sentence.strip():
                yield sentence


def headings_kept(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines; a heading that the format marks starts a chapter and stays in the text."""
    for line in lines:
        if isinstance(line, Heading) and line.text:
            yield Heading(None)
            yield line.text
        else:
            yield line
