"""The cleaning report: counts and examples for each rule, and notes in the reader's language."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from modou import messages
from modou.settings.text import RULES, Layout
from modou.text.examples import MOST, Example, kind, shown

LISTED = 200
"""Files listed in a report, at most."""


def visible(text: str) -> int:
    """Number of characters that are not white space."""
    return len("".join(text.split()))


@dataclass
class RuleReport:
    """The changes made by one cleaning rule."""

    count: int = 0
    """Number of changes."""
    characters: int = 0
    """Characters affected."""
    removed: int = 0
    """Characters removed, without white space."""
    added: int = 0
    """Characters added, without white space."""
    left_in_held_out: int = 0
    """Number of changes not made because the chapter is held out."""
    examples: list[Example] = field(default_factory=list[Example])
    """The first few changes; of lines that were removed whole rather ones that are unlike each other."""
    kinds: Counter[str] = field(default_factory=Counter[str])
    """Number of changes by kind, held-out chapters included, for rules that distinguish kinds: private_use by code
    point ("U+E229"), reader by the kind of text that was set aside."""

    def __post_init__(self) -> None:
        self._keep: re.Pattern[str] | None = None
        self._kinds = [kind(example.before) for example in self.examples]

    def keep(self, pattern: str) -> None:
        """Set the regular expression of lines that the user keeps."""
        self._keep = re.compile(pattern) if pattern else None

    def keeps(self, line: str) -> bool:
        """Whether the user keeps a line, so that no rule removes it."""
        return self._keep is not None and self._keep.search(line) is not None

    @property
    def has_examples(self) -> bool:
        """Whether there are as many examples as are kept, so that a rule need not make another."""
        return len(self.examples) >= MOST

    def add(self, other: "RuleReport") -> None:
        """Add the changes of another report of the same rule."""
        self.count += other.count
        self.characters += other.characters
        self.removed += other.removed
        self.added += other.added
        self.kinds += other.kinds
        for example in other.examples:
            self._show(example.before, example.after, shown=str)

    def touch(self, before: str, after: str = "", *, times: int = 1, example: tuple[str, str] | None = None) -> None:
        """Count a change of `before` to `after`. `example`: the same with its context."""
        self.count += times
        self.characters += max(len(before), len(after))
        self.removed += visible(before)
        self.added += visible(after)
        self._show(*example or (before, after))

    def _show(self, before: str, after: str, shown: Callable[[str], str] = shown) -> None:
        """Keep an example unless there are enough. Where lines are removed whole, one of a new kind then replaces one
        of two that are alike."""
        full = self.has_examples
        if not before or (full and (after or len(set(self._kinds)) == MOST)):
            return
        its_kind = kind(before)
        if full and its_kind in self._kinds:
            return
        example = Example(shown(before), shown(after))
        if example in self.examples:
            return
        if full:
            alike = next(at for at in range(MOST - 1, 0, -1) if self._kinds[at] in self._kinds[:at])
            del self.examples[alike], self._kinds[alike]
        self.examples.append(example)
        self._kinds.append(its_kind)


@dataclass(frozen=True)
class Note:
    """A catalogue message and its values, not yet in any language."""

    key: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return messages.text(self.key, **self.values)


def note(key: str, **values: object) -> Note:
    """Make a Note of the message `key`."""
    return Note(key, values)


@dataclass(frozen=True)
class BookFile:
    """How one file of the book was read."""

    name: str
    """Its name; with its folder or archive where there are several."""
    reader: str
    """The format that it was read as."""
    encoding: str | None
    """Its encoding, where the format does not fix one."""
    characters: int
    """Characters read, without white space."""
    layout: Layout
    """prose = paragraphs were cut into sentences; lines, exact = lines stayed as they are."""
    reason: str
    """Why that layout."""


@dataclass(frozen=True)
class Cleaning:
    """The changes made by cleaning."""

    characters: dict[Literal["input", "output"], int]
    """Characters before and after, without white space."""
    chapters: int
    """Number of chapters."""
    headings: int
    """Number of headings removed."""
    rules: dict[str, RuleReport]
    """Changes by rule."""
    files: list[BookFile]
    """The files of the book that were read, the first of them."""
    formats: dict[str, int]
    """Number of files that were read, by the format that they were read as."""
    passed_over: dict[str, str]
    """Those that were not, the first of them, and why."""
    not_read: int
    """Number of those."""
    notes: list[dict[Literal["key", "text"], str]]
    """Assumptions and their effects: "text", the message, and "key", its name in either language."""

    @property
    def unaccounted(self) -> int:
        """Characters of the input that are neither in the output nor counted by a rule: 0."""
        gone = sum(rule.removed - rule.added for rule in self.rules.values())
        return self.characters["input"] - self.characters["output"] - gone


class CleaningReport:
    """Counters that are filled while a book is cleaned."""

    def __init__(self, keep: str = "") -> None:
        self.rules = {name: RuleReport() for name in ("reader", *RULES, "long_lines")}
        self.held_out = {name: RuleReport() for name in self.rules}
        """What the training rules would have changed in held-out chapters."""
        for rule in self.rules.values():
            rule.keep(keep)
        self.files: list[BookFile] = []
        self.passed_over: dict[str, str] = {}
        self.input_characters = 0
        self.output_characters = 0
        self.chapters = 0
        self.headings = 0
        self.notes: list[Note] = []

    def __getitem__(self, name: str) -> RuleReport:
        return self.rules[name]

    def add(self, remark: Note) -> None:
        """Add a note unless it is already present."""
        if remark not in self.notes:
            self.notes.append(remark)

    def add_rules(self, other: "CleaningReport") -> None:
        """Add what the rules changed according to another report."""
        for name, rule in other.rules.items():
            self.rules[name].add(rule)

    def result(self) -> Cleaning:
        """Return the counts so far."""
        return Cleaning(
            characters={"input": self.input_characters, "output": self.output_characters},
            chapters=self.chapters,
            headings=self.headings,
            rules={
                name: replace(rule, left_in_held_out=left.count, kinds=rule.kinds + left.kinds)
                for (name, rule), left in zip(self.rules.items(), self.held_out.values(), strict=True)
            },
            files=self.files[:LISTED],
            formats=dict(Counter(file.reader for file in self.files).most_common()),
            passed_over=dict(islice(self.passed_over.items(), LISTED)),
            not_read=len(self.passed_over),
            notes=[{"key": item.key, "text": str(item)} for item in self.notes],
        )
