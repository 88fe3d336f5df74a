"""reStructuredText: titles are headings, marks are gone, directives, comments and notes are set aside."""

import re
from collections.abc import Iterator

from modou.text.headings import Heading
from modou.text.readers.file import File, Line, Reading, cut_lines
from modou.text.readers.markup import some_text, unwrapped

LAYOUT = None
SUFFIXES = (".rst", ".rest")
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")
_EXPLICIT = re.compile(r"\.\.(?:\s+|$)")
_NOTE = re.compile(r"\[[^\]]+\]\s")
_DIRECTIVE = re.compile(r"(?:\|[^|]+\|\s+)?([\w:.+-]+?)\s*::(?:\s+(.*))?$")
_FIELD = re.compile(r"\s*:[\w -]+:(?:\s|$)")
_ITEM = re.compile(r"(\s*)(?:[-*+•]|#\.)\s+(?=\S)")
_BEGINS = re.compile(r"\s*(?:[-*+•|]|#\.|\(?(?:\d+|[A-Za-z])[.)]|\.\.|:[\w -]+:)(?:\s|$)|\s*[+=]{3,}|\s*\+-")
"""Lines with which something else begins than the paragraph goes on."""
_GRID = re.compile(r"\s*\+(?:[-=]+\+)+\s*|\s*=+(?:\s+=+)+\s*")
_ROW = re.compile(r"\s*\|(.*)\|\s*")
_KEPT = frozenset(
    """admonition attention caution centered compound container danger deprecated epigraph error highlights hint
    important line-block note parsed-literal pull-quote rubric seealso sidebar tip topic versionadded versionchanged
    warning code code-block sourcecode literalinclude""".split()  # noqa: SIM905
)
"""Directives whose content is text."""
_UNTITLED = ("code", "code-block", "sourcecode", "literalinclude", "container", "compound")
"""Those whose argument is not text."""
_MARKS = (
    (re.compile(r"(?<![\w\\])\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)"), r"\1"),
    (re.compile(r"(?<![\w\\*])\*(?=[^\s*])(.+?)(?<=[^\s*])\*(?![\w*])"), r"\1"),
    (re.compile(r"``(?=\S)(.+?)(?<=\S)``"), r"\1"),
    (re.compile(r":[\w:.+-]+:`([^`<]+?)(?:\s*<[^`<>]*>)?`"), r"\1"),
    (re.compile(r"_?`([^`<]+?)(?:\s*<[^`<>]*>)?`(?:__?|:[\w:.+-]+:)?"), r"\1"),
    (re.compile(r"(?<![\w\\|])\|(?=\S)([^|]+)(?<=\S)\|_{0,2}(?!\w)"), r"\1"),
    (re.compile(r"(?<=\w)__?(?![\w_])"), ""),
    (re.compile(r"\\(.)"), r"\1"),
)
_NOTE_MARK = re.compile(r"\s?\[(?:\d+|#[\w.-]*|\*|[A-Za-z][\w.-]*)\]_(?!\w)")
_MOST = 1000
"""Lines of a paragraph that are held, at most."""
_LONGEST = 10_000
"""Characters; a longer line keeps its marks."""


def recognises(file: File) -> bool:
    """By the name: it looks like text."""
    return file.suffix in SUFFIXES


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The text. UserError: it is not text."""
    with file.text(reading) as stream:
        yield from some_text(file, Source(cut_lines(stream), reading).lines())


class Source:
    """The lines of a document, with a look ahead."""

    def __init__(self, lines: Iterator[str], reading: Reading) -> None:
        self._lines, self._reading = lines, reading
        self._ahead: list[str] = []
        self._paragraph: list[str] = []
        self._literal: int | None = None
        """Indentation of the line before a literal block, within one."""
        self._front = True
        """Whether only titles and metadata have been read."""

    def lines(self) -> Iterator[Line]:
        """Headings, and lines without marks."""
        before = ""
        while (line := self._next()) is not None:
            literal = self._in_literal(line)
            if literal or not line.strip() or _BEGINS.match(line) or len(self._paragraph) >= _MOST:
                yield from self._end_paragraph()
            if literal:
                before = line
                yield self._passed(line.rstrip())
            elif _EXPLICIT.match(line.lstrip()):
                yield from self._explicit(line)
                before = ""
            elif self._is_rule(line, before):
                before = ""
            elif not before.strip() and _is_title(line, self._peek()):
                yield from self._end_paragraph()
                self._next()
                yield Heading(self._text(line.strip()))
                before = ""
            else:
                before = line
                yield from self._body(line)
        yield from self._end_paragraph()

    def _next(self) -> str | None:
        return self._ahead.pop() if self._ahead else next(self._lines, None)

    def _peek(self) -> str:
        """The next line; "" at the end."""
        line = self._next()
        self._ahead += [] if line is None else [line]
        return line or ""

    def _in_literal(self, line: str) -> bool:
        if self._literal is not None and line.strip() and _indent(line) <= self._literal:
            self._literal = None
        return self._literal is not None

    def _is_rule(self, line: str, before: str) -> bool:
        """Whether a line is a transition, the line above a title, or one of the lines of a table."""
        if _GRID.fullmatch(line):
            return True
        if before.strip() or not _RULE.fullmatch(line):
            return False
        following = self._peek()
        return not following.strip() or self._is_overline(line, following)

    def _is_overline(self, line: str, following: str) -> bool:
        return not _RULE.fullmatch(following) and len(line.rstrip()) >= len(following.rstrip())

    def _body(self, line: str) -> Iterator[str]:
        """A line of text, without its marks."""
        if self._front and line.strip():
            if _FIELD.match(line):
                self._reading.aside("metadata", line)
                return
            self._front = False
        if row := _ROW.fullmatch(line):
            line = "\t".join(cell.strip() for cell in row[1].split("|"))
        elif line.startswith("| ") or line == "|":
            line = line[2:]
        elif item := _ITEM.match(line):
            line = item[1] + line[item.end() :]
        if line.rstrip().endswith("::"):
            self._literal = _indent(line)
            line = line.rstrip()[:-1] if line.strip() != "::" else ""
        text = self._text(line.rstrip())
        if text.strip():
            self._paragraph.append(text)
        else:
            yield text

    def _end_paragraph(self) -> Iterator[str]:
        """Its lines, those that were wrapped joined."""
        yield from unwrapped(self._paragraph)
        self._paragraph = []

    def _explicit(self, line: str) -> Iterator[str]:
        """A directive, comment, target or note, with the lines that are indented under it."""
        indent, said = _indent(line), line.strip()[2:].strip()
        directive = _DIRECTIVE.match(said)
        if directive and directive[1] in _KEPT and not said.startswith("|"):
            if directive[1] in _UNTITLED or not directive[2]:
                self._reading.aside("directive", said)
            else:
                self._reading.aside("directive", f"{directive[1]}::")
                yield self._text(directive[2])
            yield from self._content(indent, directive[1] in _UNTITLED[:4])
            return
        kind = "note" if _NOTE.match(said) else "directive" if directive or said.startswith("_") else "comment"
        self._reading.aside(kind, "\n".join([said, *self._under(indent)]))

    def _content(self, indent: int, literal: bool) -> Iterator[str]:
        options = True
        for line in self._under(indent):
            options = options and bool(_FIELD.match(line))
            if options:
                self._reading.aside("directive", line)
            elif literal:
                yield self._passed(line.rstrip())
            else:
                yield self._text(line.strip())

    def _under(self, indent: int) -> Iterator[str]:
        """The lines that are indented further."""
        while (line := self._next()) is not None:
            if line.strip() and _indent(line) <= indent:
                self._ahead.append(line)
                return
            yield line

    def _text(self, line: str) -> str:
        if len(line) <= _LONGEST:
            for mark in _NOTE_MARK.findall(line):
                self._reading.aside("note_mark", mark)
            line = _NOTE_MARK.sub("", line)
            for pattern, kept in _MARKS:
                line = pattern.sub(kept, line)
        return self._passed(line)

    def _passed(self, line: str) -> str:
        self._reading.undecoded(line)
        return line


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_title(line: str, rule: str) -> bool:
    """Whether a rule under a line makes it a title."""
    rule = rule.rstrip()
    return bool(line.strip() and _RULE.fullmatch(rule)) and len(rule) >= min(len(line.strip()), 4)
