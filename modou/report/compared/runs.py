"""What was found, run by run: names, colours and marks, judges, figures with their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from modou.report import values as v
from modou.report.figures import ACCENT, INK, MODEL, MUTED, OTHER, TRAIN, css_colour
from modou.report.markup import Html, allowed, element, fitted, joined
from modou.report.parts import Form, Page, datum
from modou.report.values import Values

RULES = "rules"
"""Who judges by the share of the rules that an answer keeps."""
LABEL = 16
"""Characters of a name that fit beside a figure."""
_COLOURS = (MUTED, MODEL, TRAIN, OTHER, ACCENT, INK)
_MARKS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("*", "★"), ("<", "◀"), (">", "▶"))


@dataclass(frozen=True)
class Run:
    """One run: its numbers, and how it is drawn. The first run is grey, the ground that the others stand on."""

    name: str
    values: Values
    number: int

    @property
    def colour(self) -> str:
        return _COLOURS[self.number % len(_COLOURS)]

    @property
    def mark(self) -> str:
        """As matplotlib names it."""
        return _MARKS[self.number % len(_MARKS)][0]

    @property
    def label(self) -> str:
        """The name as it fits a figure."""
        return short(self.name)

    @property
    def title(self) -> Html:
        """The name with its mark."""
        glyph = _MARKS[self.number % len(_MARKS)][1]
        mark = element("span", glyph, class_="mark", style=f"color:{css_colour(self.colour)}", aria_hidden="true")
        return joined([mark, element("span", self.name)], between=" ")

    def group(self, *keys: str) -> Values:
        """The dictionary under `keys`, which may hold dots; empty where there is none."""
        here: object = self.values
        for key in keys:
            here = here.get(key) if isinstance(here, Mapping) else None
        return cast(Values, here) if isinstance(here, Mapping) else {}

    def mean(self, *keys: str) -> float | None:
        """The share or mean under `keys`."""
        return v.number(self.group(*keys), "share", "mean")

    def ends(self, *keys: str) -> tuple[float, float] | None:
        """Its interval."""
        return v.interval(self.group(*keys), "interval")

    def told(self, form: Form, *keys: str) -> Html | None:
        """The figure under `keys` and its interval, as read."""
        value = self.value(form, *keys)
        return None if value is None else joined([value, within(self.ends(*keys), form)])

    def value(self, form: Form, *keys: str) -> Html | None:
        """The figure alone."""
        found = self.group(*keys)
        kind = "share" if v.number(found, "share") is not None else "mean"
        return datum(v.number(found, kind), form, ".".join(("runs", self.name, *keys, kind)))

    def scores(self, judge: str) -> list[tuple[float, float]]:
        """Length and score of each answer that has both."""
        lengths, scores = v.listed(self.group("by_answer"), "length"), self.group("by_answer").get(judge)
        given = cast(list[object], scores) if isinstance(scores, list) else []
        pairs = ((v.as_number(length), v.as_number(score)) for length, score in zip(lengths, given, strict=False))
        return [(length, score) for length, score in pairs if length is not None and score is not None]


@dataclass(frozen=True)
class Compared(Page):
    """The page being written."""

    @cached_property
    def runs(self) -> list[Run]:
        """All of them, the one that the others are set against first."""
        runs = v.group(self.values, "runs").items()
        found = [(name, cast(Values, run)) for name, run in runs if isinstance(run, Mapping)]
        return [Run(name, values, number) for number, (name, values) in enumerate(found)]

    @cached_property
    def rivals(self) -> list[Run]:
        """All but the first."""
        return self.runs[1:]

    @cached_property
    def judges(self) -> list[str]:
        """Who scored the answers."""
        return list(dict.fromkeys(judge for run in self.runs for judge in run.group("judges")))

    @cached_property
    def deciders(self) -> list[str]:
        """By whom wins are told. The rules are left out where a judge is the only rule: they say the same."""
        told = dict.fromkeys(judge for run in self.rivals for judge in run.group("wins"))
        found = [judge for judge in told if judge != RULES]
        same = (all(run.group("wins", judge) == run.group("wins", RULES) for run in self.rivals) for judge in found)
        return found if any(same) else list(told)

    def named(self, judge: str) -> str:
        """A judge as it is spoken of: the rules, those of one task, or the folder of a reward model."""
        if judge == RULES:
            return self.words("judge_rules")
        return self.words("judge_task", name=judge) if self.is_rule(judge) else Path(judge).name or judge

    def is_rule(self, judge: str) -> bool:
        """Whether a judge is the rules of a task, which cannot be deceived, and no reward model."""
        return judge == RULES or v.group(self.values, "judges").get(judge) == "rules"


def short(name: str, most: int = LABEL) -> str:
    """A name on one line, cut to what fits a figure."""
    return fitted(" ".join(allowed(name).split()), most)


def breadth(text: str) -> float:
    """CSS pixels that a text takes in a figure, about."""
    return sum(13.0 if ord(character) > 0x2E80 else 7.6 for character in text)


def within(ends: tuple[float, float] | None, form: Form) -> Html | None:
    """An interval as [low, high]."""
    return None if ends is None else element("span", f" [{form(ends[0])}, {form(ends[1])}]", class_="ends")
