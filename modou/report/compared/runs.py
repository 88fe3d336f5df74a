"""Access to compare.json: runs with their colours and markers, judges, figures with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from modou.report import values as v
from modou.report.figures import ACCENT, INK, MODEL, MUTED, OTHER, TRAIN, css_colour
from modou.report.markup import Html, allowed, element, fitted, joined
from modou.report.parts import Form, Page, datum, within
from modou.report.values import Values

RULES = "rules"
"""Name of the judge "share of the task's rules that the answer keeps"."""
LABEL = 16
"""Most characters of a run's name in a figure."""
_COLOURS = (MUTED, MODEL, TRAIN, OTHER, ACCENT, INK)
_MARKS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("*", "★"), ("<", "◀"), (">", "▶"))


@dataclass(frozen=True)
class ComparedRun:
    """One run: its numbers, and how it is drawn. The first run, the reference, is grey."""

    name: str
    values: Values
    number: int

    @property
    def colour(self) -> str:
        return _COLOURS[self.number % len(_COLOURS)]

    @property
    def mark(self) -> str:
        """matplotlib's name of the marker."""
        return _MARKS[self.number % len(_MARKS)][0]

    @property
    def label(self) -> str:
        """The name, shortened for figures."""
        return short(self.name)

    @property
    def title(self) -> Html:
        """The name with its marker, as HTML."""
        glyph = _MARKS[self.number % len(_MARKS)][1]
        mark = element("span", glyph, class_="mark", style=f"color:{css_colour(self.colour)}", aria_hidden="true")
        return joined([mark, element("span", self.name)], between=" ")

    def group(self, *keys: str) -> Values:
        """The dictionary under nested `keys` (which may contain dots); empty where there is none."""
        here: object = self.values
        for key in keys:
            here = here.get(key) if isinstance(here, Mapping) else None
        return cast(Values, here) if isinstance(here, Mapping) else {}

    def mean(self, *keys: str) -> float | None:
        """The number "share" or "mean" under `keys`."""
        return v.number(self.group(*keys), "share", "mean")

    def ends(self, *keys: str) -> tuple[float, float] | None:
        """The interval under `keys`."""
        return v.interval(self.group(*keys), "interval")

    def told(self, form: Form, *keys: str) -> Html | None:
        """The figure under `keys` with its interval, formatted."""
        value = self.value(form, *keys)
        return None if value is None else joined([value, within(self.ends(*keys), form)])

    def value(self, form: Form, *keys: str) -> Html | None:
        """The figure under `keys`, formatted."""
        found = self.group(*keys)
        kind = "share" if v.number(found, "share") is not None else "mean"
        return datum(v.number(found, kind), form, ".".join(("runs", self.name, *keys, kind)))

    def scores(self, judge: str) -> list[tuple[float, float]]:
        """(length, score) of each answer that has both."""
        lengths, scores = v.listed(self.group("by_answer"), "length"), self.group("by_answer").get(judge)
        given = cast(list[object], scores) if isinstance(scores, list) else []
        pairs = ((v.as_number(length), v.as_number(score)) for length, score in zip(lengths, given, strict=False))
        return [(length, score) for length, score in pairs if length is not None and score is not None]


@dataclass(frozen=True)
class Compared(Page):
    """The comparison page."""

    @cached_property
    def runs(self) -> list[ComparedRun]:
        """All runs, the reference first."""
        runs = v.group(self.values, "runs").items()
        found = [(name, cast(Values, run)) for name, run in runs if isinstance(run, Mapping)]
        return [ComparedRun(name, values, number) for number, (name, values) in enumerate(found)]

    @cached_property
    def rivals(self) -> list[ComparedRun]:
        """All runs but the first."""
        return self.runs[1:]

    @cached_property
    def judges(self) -> list[str]:
        """The judges that scored the answers."""
        return list(dict.fromkeys(judge for run in self.runs for judge in run.group("judges")))

    @cached_property
    def deciders(self) -> list[str]:
        """Judges whose win rates are shown; RULES is left out where a judge gives identical win rates."""
        told = dict.fromkeys(judge for run in self.rivals for judge in run.group("wins"))
        found = [judge for judge in told if judge != RULES]
        same = (all(run.group("wins", judge) == run.group("wins", RULES) for run in self.rivals) for judge in found)
        return found if any(same) else list(told)

    def named(self, judge: str) -> str:
        """Display name of a judge: the rules, a task's rules, or a reward model's folder."""
        if judge == RULES:
            return self.words("judge_rules")
        return self.words("judge_task", name=judge) if self.is_rule(judge) else Path(judge).name or judge

    def is_rule(self, judge: str) -> bool:
        """Whether a judge is a task's rules rather than a reward model."""
        return judge == RULES or v.group(self.values, "judges").get(judge) == "rules"


def short(name: str, most: int = LABEL) -> str:
    """A name on one line, truncated to `most` characters."""
    return fitted(" ".join(allowed(name).split()), most)


def breadth(text: str) -> float:
    """Approximate width of a text in a figure, in CSS pixels."""
    return sum(13.0 if ord(character) > 0x2E80 else 7.6 for character in text)
