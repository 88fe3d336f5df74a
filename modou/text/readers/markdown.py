"""Markdown (CommonMark with tables): rendered as a web page, which is read as one.

A line end within a paragraph is a space where the line was full, as in wrapped prose; otherwise it stays, as in verse.
"""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from modou.text.readers.file import File, Line, Reading, cut_lines
from modou.text.readers.html import Page
from modou.text.readers.markup import SENTENCE_ENDS, html_parser, parsed, some_text, wraps

LAYOUT = None
SUFFIXES = (".md", ".markdown", ".mdown", ".mkd", ".mkdn", ".rmd", ".qmd")
_BLOCK, _LARGEST = 1 << 15, 1 << 18
"""Characters rendered at a time: up to the next empty line, or at most."""
_FRONT = 200
"""Lines of front matter, at most."""
_MOST = 1000
"""Brackets in a paragraph; beyond them its marks are text, as the library takes time that grows with their square."""
_TITLE = 100
"""Characters of a line that is made a heading by a line under it, at most."""
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_NOTE = re.compile(r" {0,3}\[\^[^\]\s]+\]:")
_MARK = re.compile(r"\[\^[^\]\s]+\]")
_DEFINED = re.compile(r" {0,3}\[[^\]^]+\]:\s*\S")
_PROSE = (*SENTENCE_ENDS, "，", ",", "；", ";")


def recognises(file: File) -> bool:
    """By the name: Markdown looks like text."""
    return file.suffix in SUFFIXES


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The text. UserError: it is not text."""
    page = Page(reading)
    renderer = _Renderer(reading)
    with file.text(reading) as stream:
        for line in cut_lines(stream):  # a link may be used before the line that defines it
            if _DEFINED.match(line):
                renderer.render(line)
    with file.text(reading) as stream:
        blocks = _blocks(_without_front(cut_lines(stream), reading), reading)
        chunks = (renderer.render(block).encode("utf-8", "replace") for block in blocks)
        yield from some_text(file, parsed(html_parser(page), page, chunks))


def _without_front(lines: Iterator[str], reading: Reading) -> Iterator[str]:
    """The lines after the front matter: metadata between two lines "---"."""
    held: list[str] = []
    for line in lines:
        held.append(line)
        if held[0].rstrip() not in ("---", "+++") or len(held) > _FRONT:
            break
        if len(held) > 1 and line.rstrip() in (held[0].rstrip(), "..."):
            if all(not one or one[0] in " \t#-[\"'}]" or ":" in one or "=" in one for one in held[1:-1]):
                reading.aside("metadata", "\n".join(held))
                held = []
            break
    yield from held
    yield from lines


def _blocks(lines: Iterator[str], reading: Reading) -> Iterator[str]:
    """Stretches of lines that can be rendered by themselves; notes are set aside."""
    block: list[str] = []
    size, fence, in_note = 0, "", False
    for line in lines:
        if fence:
            mark = _FENCE.match(line)
            fence = "" if mark and mark[1].startswith(fence) and not line[mark.end() :].strip() else fence
        elif _NOTE.match(line) or (in_note and (not line.strip() or line.startswith(("    ", "\t")))):
            in_note = True
            reading.aside("note", line)
            continue
        elif found := _FENCE.match(line):
            fence = found[1]
        in_note = False
        if not fence and (size > _LARGEST or (size > _BLOCK and not line.strip())):
            yield "\n".join([*block, line, ""])
            block, size = [], 0
            continue
        block.append(line)
        size += len(line) + 1
    yield "\n".join(block)


class _Renderer:
    """Renders Markdown as HTML."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._markdown = MarkdownIt("commonmark", {"breaks": True}).enable(["table", "strikethrough"])
        self._markdown.core.ruler.at("inline", _inline)
        self._shared: dict[str, object] = {}
        """The links that are defined, for all parts of the text."""

    def render(self, text: str) -> str:
        """A part of the text as HTML."""
        tokens = self._markdown.parse(text, self._shared)
        for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
            if before and after and token.type == "inline":
                self._mend(before, token, after)
        self._number(tokens)
        return str(self._markdown.renderer.render(tokens, self._markdown.options, self._shared))

    def _mend(self, before: Token, token: Token, after: Token) -> None:
        """Set marks of notes aside; a sentence with a line under it is no heading."""
        for child in token.children or ():
            if child.type == "text" and "[^" in child.content:
                for mark in _MARK.findall(child.content):
                    self._reading.aside("note_mark", mark)
                child.content = _MARK.sub("", child.content)
        text = token.content.strip()
        _join(token)
        prose = "\n" in text or len(text) > _TITLE or text.endswith(_PROSE)
        if before.type == "heading_open" and before.markup in ("-", "=") and prose:
            before.tag = after.tag = "p"

    def _number(self, tokens: list[Token]) -> None:
        """Numbers of lists are text: they may be years, or steps that the text speaks of."""
        for at, token in enumerate(tokens):
            if token.type == "list_item_open" and token.info:
                inner = next((one for one in tokens[at : at + 3] if one.type == "inline"), None)
                if inner is not None and inner.children is not None:
                    inner.children.insert(0, Token("text", "", 0, content=f"{token.info}{token.markup} "))


def _join(token: Token) -> None:
    """Make line ends after full lines that end no sentence spaces."""
    breaks = [child for child in token.children or () if child.type in ("softbreak", "hardbreak")]
    lines = token.content.split("\n")
    if not breaks or len(breaks) != len(lines) - 1:
        return
    for wrapped, found in zip(wraps(lines), breaks, strict=False):
        if found.type == "softbreak" and wrapped:
            found.type, found.content = "text", "\n"


def _inline(state: StateCore) -> None:
    """The marks within paragraphs."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = []
        if token.content.count("[") > _MOST:
            token.children = [Token("text", "", 0, content=token.content)]
        else:
            state.md.inline.parse(token.content, state.md, state.env, token.children)
