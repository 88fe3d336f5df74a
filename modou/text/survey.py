"""First pass over a document: kinds of headings, line width, title page."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from modou.text.headings import Candidate, Heading, candidate
from modou.text.sentences import split_sentences
from modou.text.wrapping import Hyphens, Lengths, Wrap

_TITLE_PAGE_LINES = 10
_TITLE_PAGE_CHARACTERS = 200


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

    def accepts(self, found: Candidate) -> bool:
        """Whether a candidate is a heading, judged by the whole document."""
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


def survey(lines: Iterable[str | Heading]) -> Survey:
    """Compute the statistics of a document in one pass and constant memory."""
    result = Survey()
    lengths, blocks = Lengths(), _Blocks()
    headed = short = page_lines = page_characters = 0
    title_page: int | None = None
    first: Candidate | None = None
    for number, line in enumerate(lines):
        if isinstance(line, Heading):
            continue
        text = line.strip()
        blocks.add(line)
        result.hyphens.add(text)
        if not text:
            continue
        result.lines += 1
        found = candidate(text)
        if found:
            result.forms[(found.form, found.unit)] += 1
            result.prefixes[found.prefix] += bool(found.prefix)
            result.plain += not found.prefix and found.unit not in ("opening", "english")
            headed += found.form == "inline"
            if title_page is None:
                title_page, first = number, found
        elif title_page is None:
            page_lines += 1
            page_characters += len(text)
            short += len(text) <= 40 and text[-1] not in "。！？，；!?,;…”"
        if not found or found.form == "inline":
            lengths.add(line.rstrip())
    result.wrap = lengths.wrap()
    result.chapter_a_line = headed * 2 > result.lines and headed >= 2
    on_a_page = page_lines <= _TITLE_PAGE_LINES and page_characters <= _TITLE_PAGE_CHARACTERS
    result.blocks = blocks.found() and not result.wrap and not result.forms
    alone = short == page_lines and on_a_page and not result.chapter_a_line
    if title_page and first and alone and result.accepts(first):
        result.title_page = title_page
    return result
