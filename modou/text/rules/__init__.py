"""The cleaning rules. The rule NAME of modou.settings.text.RULES is the function `apply` of modou.text.rules.NAME.

Where it applies says what it takes and gives; every `apply` also takes `tally`, which counts what it changes.

    lines      the lines of a document, in order -> lines
    document   lines and the headings found so far, and the survey of the document -> the same without lines that it
               takes out, with a Heading where a chapter begins
    sentence   a sentence -> that sentence, changed or not
    chapters   the chapters of the book, in order -> those to keep
    training   a sentence of a training chapter -> that sentence, changed or not. In held-out chapters, which keep
               every character, what it would change is counted
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from modou.settings.text import CleanSettings, Place
from modou.text.report import RuleReport


@dataclass
class Chapter:
    """What is known of a chapter whose text lies on disk."""

    place: int
    """Its index among the chapters of the book."""
    heading: str | None
    opening: str = ""
    characters: int = 0
    visible: int = 0
    digest: bytes = b""
    """Of its characters without white space."""


def rules(settings: CleanSettings, place: Place, tallies: Mapping[str, RuleReport]) -> list[Callable[..., Any]]:
    """The functions of the rules that apply at a place, in order, each with its tally."""
    functions = ((name, import_module(f"{__name__}.{name}").apply) for name in settings.rules(place))
    return [partial(apply, tally=tallies[name]) for name, apply in functions]
