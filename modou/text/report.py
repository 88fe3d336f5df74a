"""The cleaning report: counts and examples for each rule, and notes in the reader's language."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from modou import messages
from modou.settings.text import RULES

_EXAMPLES = 3
_SHOWN = 60


def visible(text: str) -> int:
    """Number of characters that are not white space."""
    return len("".join(text.split()))


def _shown(text: str) -> str:
    flat = text.replace("\n", " ⏎ ")
    return flat if len(flat) <= _SHOWN else f"{flat[: _SHOWN - 1]}…"


@dataclass
class RuleReport:
    """What a cleaning rule changed."""

    count: int = 0
    """Changes."""
    characters: int = 0
    """Characters of the places changed."""
    removed: int = 0
    """Characters removed, white space not counted."""
    added: int = 0
    """Characters added, white space not counted."""
    left_in_held_out: int = 0
    """Places in held-out chapters that the rule would have changed."""
    examples: list[str] = field(default_factory=list[str])
    """The first changes."""
    kinds: Counter[str] = field(default_factory=Counter[str])
    """How often each kind of thing, held-out chapters included, where a rule tells kinds apart: of private_use, the
    lost glyphs by code point ("U+E229")."""

    def touch(self, before: str, after: str = "", *, times: int = 1, example: str | None = None) -> None:
        """Counts a change of `before` to `after`, with an example."""
        self.count += times
        self.characters += max(len(before), len(after))
        self.removed += visible(before)
        self.added += visible(after)
        if len(self.examples) < _EXAMPLES:
            shown = example or (f"{_shown(before)} → {_shown(after)}" if after else _shown(before))
            if shown not in self.examples:
                self.examples.append(shown)


@dataclass(frozen=True)
class Note:
    """A message of the catalogue with its values, independent of language."""

    key: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return messages.text(self.key, **self.values)


def note(key: str, **values: object) -> Note:
    """A Note of the message `key`."""
    return Note(key, values)


@dataclass(frozen=True)
class Cleaning:
    """What cleaning changed."""

    characters: dict[Literal["input", "output"], int]
    """Characters before and after, white space not counted."""
    chapters: int
    """Chapters."""
    headings: int
    """Headings taken out."""
    rules: dict[str, RuleReport]
    """What each rule changed."""
    notes: list[dict[Literal["key", "text"], str]]
    """Assumptions and their effect: "text", the message, and "key", its name in every language."""


class CleaningReport:
    """Counters that are filled while a book is cleaned."""

    def __init__(self) -> None:
        self.rules = {name: RuleReport() for name in (*RULES, "long_lines")}
        self.held_out = {name: RuleReport() for name in self.rules}
        """What rules of training chapters would have changed in held-out ones."""
        self.input_characters = 0
        self.output_characters = 0
        self.chapters = 0
        self.headings = 0
        self.notes: list[Note] = []

    def __getitem__(self, name: str) -> RuleReport:
        return self.rules[name]

    def add(self, remark: Note) -> None:
        """Adds a note unless it is there."""
        if remark not in self.notes:
            self.notes.append(remark)

    def result(self) -> Cleaning:
        """As reported."""
        return Cleaning(
            characters={"input": self.input_characters, "output": self.output_characters},
            chapters=self.chapters,
            headings=self.headings,
            rules={
                name: replace(rule, left_in_held_out=left.count, kinds=rule.kinds + left.kinds)
                for (name, rule), left in zip(self.rules.items(), self.held_out.values(), strict=True)
            },
            notes=[{"key": item.key, "text": str(item)} for item in self.notes],
        )
