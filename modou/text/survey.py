"""First pass over a document: headings, tables of contents, page numbers, line width, title page."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from modou.text.contents import Contents
from modou.text.heading_series import CAPITALS, MARKED, STARS, serial
from modou.text.headings import Candidate, Heading, candidate
from modou.text.notices import folded, is_authors
from modou.text.outline import Outline, item
from modou.text.pages import Pages, page_number
from modou.text.report import Note, note
from modou.text.sentences import OTHER_STOPS, split_sentences
from modou.text.wrapping import Hyphens, Lengths, Wrap

_TITLE_PAGE_LINES = 10
_TITLE_PAGE_CHARACTERS = 200
_ASIDES = 10_000
_LONG = 20_000
"""Characters; a longer text is expected to have headings."""
_ENDS = f"。！？…；”’」』）.!?\"'»{OTHER_STOPS}"


@dataclass
class Survey:
    """Statistics of all lines of a document."""

    lines: int = 0
    forms: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    prefixes: Counter[str] = field(default_factory=Counter[str])
    plain: int = 0
    """Number of headings without a prefix."""
    chapter_a_line: bool = False
    """Whether each line is a chapter."""
    title_page: int = 0
    """Number of lines before the first heading (including blank ones) that are a title page."""
    wrap: Wrap | None = None
    hyphens: Hyphens = field(default_factory=Hyphens)
    """The words broken at line ends."""
    blocks: bool = False
    """Whether there is one sentence per line, as in cleaned.txt, with blank lines between chapters."""
    refused: set[int] = field(default_factory=set[int])
    """Numbers of the lines that look like labelled headings and are prose."""
    series: set[int] = field(default_factory=set[int])
    """Numbers of the lines that are headings as members of a series."""
    contents: set[int] = field(default_factory=set[int])
    """Numbers of the lines of tables of contents."""
    pages: set[int] = field(default_factory=set[int])
    """Numbers of the lines that are page numbers."""
    asides: Counter[str] = field(default_factory=Counter[str])
    """How often each line that an author may tell the readers occurs, in folded form."""
    notes: list[Note] = field(default_factory=list[Note])

    def heading(self, number: int, line: str) -> Candidate | None:
        """The heading that line `number` is, or None."""
        if number in self.contents:
            return None
        found = candidate(line)
        if found:
            return found if self.accepts(found) and number not in self.refused else None
        return serial(line) if number in self.series else None

    def accepts(self, found: Candidate) -> bool:
        """Whether the document has headings of a labelled candidate's form."""
        if found.prefix and self.prefixes[found.prefix] < 2 and not self._opens(found):
            return False
        if found.form in ("glued", "inline") and found.unit != "opening":
            alike = self.forms[(found.form, found.unit)]
            return alike >= 2 or self.lines <= 3 or (found.form == "inline" and self._opens(found))
        return True

    def _opens(self, found: Candidate) -> bool:
        """Whether it is a book's first heading, which may be preceded by the book's name."""
        first = found.number in ("一", "1", "１", "壹", "01", "001")
        return first and (self.plain > 0 or self.lines <= 3 or found.form == "bare")


class _Blocks:
    """Whether lines are single sentences in blocks separated by single blank lines."""

    def __init__(self) -> None:
        self.possible = True
        self.count = self.lines = 0
        self._gap = 1

    def add(self, line: str) -> None:
        if not self.possible:
            return
        if not line.strip():
            self._gap += 1
            self.possible = self._gap < 2
            return
        self.count += self._gap
        self.lines += 1
        self._gap = 0
        self.possible = line == line.strip() and len(split_sentences(line)) == 1

    def found(self) -> bool:
        return self.possible and self.count >= 2 and self.lines >= 2 * self.count


@dataclass
class _TitlePage:
    """The lines before the first heading."""

    lines: int = 0
    characters: int = 0
    short: int = 0
    headings: list[tuple[int, bool]] = field(default_factory=list[tuple[int, bool]])
    """Candidates that may end it, each with whether all lines before it are short."""

    def add(self, number: int, text: str, *, heading: bool) -> None:
        if self.lines > _TITLE_PAGE_LINES or self.characters > _TITLE_PAGE_CHARACTERS:
            return
        if heading:
            self.headings.append((number, self.short == self.lines))
        self.lines += 1
        self.characters += len(text)
        self.short += len(text) <= 40 and text[-1] not in "。！？，；!?,;…”"


class _Lines:
    """Where in the document a line stands."""

    def __init__(self) -> None:
        self.position = 0
        """Characters of text before it."""
        self._blank = self._ended = True
        self.headed = False
        """Whether the last line that is not blank is a heading."""

    def skip(self) -> None:
        self._blank = True

    def place(self) -> dict[str, bool]:
        """Whether a line follows a blank one, and whether it follows the end of a sentence or a heading."""
        return {"blank": self._blank, "ended": self._ended}

    def add(self, text: str, *, heading: bool) -> None:
        self.position += len(text)
        self._blank, self._ended, self.headed = False, heading or text[-1] in _ENDS, heading


def survey(lines: Iterable[str | Heading]) -> Survey:
    """Compute the statistics of a document in one pass and bounded memory."""
    result = Survey()
    lengths, blocks, page, place = Lengths(), _Blocks(), _TitlePage(), _Lines()
    outline, contents, pages = Outline(), Contents(), Pages()
    inline = marked = 0
    for number, line in enumerate(lines):
        if isinstance(line, Heading):
            marked += line.text is not None
            place.skip()
            continue
        text = line.strip()
        blocks.add(line)
        if not text:
            result.hyphens.add(text)
            place.skip()
            continue
        if numeral := page_number(text):
            pages.add(number, place.position, numeral)
        else:  # a word may be broken over a page
            result.hyphens.add(text)
        result.lines += 1
        found = candidate(text)
        one = found or serial(text)
        where = place.place()
        if one:
            outline.add(item(number, place.position, one, **where), text[:60], labelled=found is not None)
        if is_authors(text) and len(result.asides) < _ASIDES:
            result.asides[folded(text)] += 1
        title = one.title if one and one.unit not in (CAPITALS, MARKED, STARS) else None
        contents.add(number, text, apart=where["blank"] or place.headed, title=title)
        page.add(number, text, heading=one is not None)
        if found:
            result.forms[(found.form, found.unit)] += 1
            result.prefixes[found.prefix] += bool(found.prefix)
            result.plain += not found.prefix and found.unit != "opening" and not found.latin
            inline += found.form == "inline"
        if not found or found.form == "inline":
            lengths.add(line.rstrip())
        place.add(text, heading=found is not None)
    result.wrap = lengths.wrap()
    result.chapter_a_line = inline * 2 > result.lines and inline >= 2
    result.contents = contents.found()
    result.refused = outline.refused(result.contents)
    result.series = outline.members(result.contents, result.refused, place.position)
    result.pages = pages.found(place.position) - result.series
    result.blocks = blocks.found() and not result.wrap and not result.forms and not result.series
    result.title_page = _title_page(result, page, outline)
    headed = marked or result.series or outline.kept(result.refused | result.contents)
    if place.position > _LONG and not headed:
        result.notes.append(_no_headings(outline))
    return result


def _no_headings(outline: Outline) -> Note:
    if outline.seen:
        return note("text.note_near_headings", examples=" | ".join(outline.seen))
    return note("text.note_no_headings")


def _title_page(result: Survey, page: _TitlePage, outline: Outline) -> int:
    """Number of lines before the first heading, if they are few and short."""
    if result.chapter_a_line:
        return 0
    labelled = outline.kept(result.refused)
    for number, alone in page.headings:
        if number in result.contents or number in result.series or number in labelled:
            return number if alone else 0
    return 0
