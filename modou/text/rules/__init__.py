"""The cleaning rules. The rule NAME of modou.settings.text.RULES is the function `apply` of modou.text.rules.NAME.

The place where a rule applies determines its arguments and result; every `apply` also takes `tally`, which counts its
changes.

    lines      lines and the format's own headings of a document, in order -> the same, lines changed or removed
    document   the same with the lines numbered (modou.text.numbered), and the survey of the document, which names lines
               by number -> lines and headings; a Heading starts a chapter
    sentence   a sentence -> that sentence, changed or not
    chapters   the chapters of the book, in order -> those to keep
    training   a sentence of a training chapter -> that sentence, changed or not; in held-out chapters changes are
               counted but not made
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from modou.settings.text import CleanSettings, Layout, Place
from modou.text.headings import Heading
from modou.text.readers.file import Line
from modou.text.report import RuleReport


@dataclass(slots=True)
class Chapter:
    """Statistics of a chapter, whose text is on disk."""

    place: int
    """Its index among the chapters of the book."""
    heading: str | None
    layout: Layout = "prose"
    opening: str = ""
    lines: int = 0
    """Its lines in the working file."""
    characters: int = 0
    visible: int = 0
    digest: bytes = b""
    """BLAKE2b of its characters without white space."""


def rules(
    settings: CleanSettings, place: Place, tallies: Mapping[str, RuleReport], layout: Layout = "prose"
) -> list[Callable[..., Any]]:
    """The enabled rules of a place, in order, each bound to its tally."""
    functions = ((name, import_module(f"{__name__}.{name}").apply) for name in settings.rules(place, layout))
    return [partial(apply, tally=tallies[name]) for name, apply in functions]


def removed(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Count lines and headings as removed; yield those that the user keeps."""
    for line in lines:
        text = ((line.text or "") if isinstance(line, Heading) else line).strip()
        if text and tally.keeps(text):
            yield line
        elif text:
            tally.touch(text)
