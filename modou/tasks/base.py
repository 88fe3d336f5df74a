"""What a task is: its data, the rules that check an answer, the pairs and credits made from them, and its recipe.

A new task is a subclass of Task in a folder or file of its own, and one line of the registry.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modou.data.conversation import Template
from modou.data.examples import Question
from modou.model.gpt import GPT
from modou.settings.base import Settings
from modou.train.rollouts import Answer, Credit

Facts = Mapping[str, Any]
"""What a row of data says about its question beside its text; "task" names the task."""
Row = dict[str, Any]
"""A row of a file of examples."""
PAIRS = "preferences.jsonl"
"""The file that a stage of kind "pairs" writes beside the task's own."""


class TaskSettings(Settings):
    """The numbers of a task that decide results; here those of the preference pairs that every task has."""

    samples: int = 2
    """Answers to each question that are set against the one in the file: what a policy will be told to do better."""
    warm: int = 1
    """The same at a higher temperature, a third of all: with these a reward model stops to reward what merely
    surprises (docs/experiments/verse-judge.md)."""
    warmth: float = 1.2
    """Their temperature over that of the others. Human text surprises a model a little more than its own samples do,
    and these are to surprise it a little more than human text."""


SETTINGS = TaskSettings()


@dataclass(frozen=True)
class Stage:
    """One stage of `modou align TASK`. Stages and files are named, not held, so that a recipe reads as a table."""

    name: str
    """Its run folder, its table of settings, and what other stages and --methods call it."""
    kind: str
    """What makes it: "task" (its data), "pairs", "compare", or a method of training (modou.settings.methods)."""
    after: str = ""
    """The stage whose run it begins from; for a comparison, the run that the others are compared with."""
    data: str = ""
    """The task's file that it reads; of a stage of kind "task", the last that it writes."""
    corpus: str = ""
    """The corpus that a base reads, where that is none of the task's files."""
    judge: str = ""
    """What scores the answers: a task, or a stage of kind "reward"."""
    reference: str = ""
    """The stage that an implicit reward is measured against: whose answers it judges, where it begins from another."""
    optional: bool = False
    """Whether --methods can leave it out; what is optional is compared."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Its own settings, over those of the recipe's file: {group: {option: value}}."""


@dataclass(frozen=True)
class Recipe:
    """The stages from the data to the comparison, in order. Without any, `modou align` does not know the task."""

    stages: tuple[Stage, ...] = ()
    file: str = ""
    """The file of presets that ships with modou, a table a stage; "": each stage says its own."""
    minutes: float = 60.0
    """Of training, in all, for which the stages' minutes are written; `modou align --minutes` scales them."""
    questions: int = 1000
    """Asked of every run at the end, at most: shares are then known to ± 3 points."""

    def stage(self, name: str) -> Stage:
        """The stage of that name, which must be there."""
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def methods(self) -> tuple[str, ...]:
        """What may be chosen by --methods."""
        return tuple(stage.name for stage in self.stages if stage.optional)


@dataclass(frozen=True)
class Drafts:
    """What a run wrote for some questions of a file: what a task makes pairs of its own from."""

    model: GPT
    template: Template
    asked: Sequence[Question]
    """These questions; each has an answer in its facts."""
    answers: Sequence[Answer]
    """The comparable answers to them, at the usual temperature."""
    every: Sequence[Question]
    """All questions of the file."""


@dataclass(frozen=True)
class Task:
    """A task; as it stands, the one of questions that name none: the whole answer must be the true one."""

    name: str = "exact"
    """As commands, judges and the facts of its rows have it."""
    settings: TaskSettings = SETTINGS
    recipe: Recipe = Recipe()

    def files(self, seed: int) -> Mapping[str, Sequence[Row]]:
        """Its files of data by name, a pure function of the seed. Rows that are questions are `tagged`."""
        return {}

    def tagged(self, rows: Iterable[Row]) -> list[Row]:
        """The rows, with the task's name among their facts."""
        return [row | {"facts": {"task": self.name, **row.get("facts", {})}} for row in rows]

    def rules(self, question: Question, text: str) -> dict[str, bool]:
        """The rules that can be asked of an answer, by name, and whether it keeps them."""
        truth = self.truth(question)
        return {} if truth is None else {"exact": text.strip() == truth}

    def truth(self, question: Question) -> str | None:
        """The true answer, where there is a single one that is known."""
        return str(question.facts["answer"]).strip() if "answer" in question.facts else None

    def score(self, text: str, facts: Facts) -> float:
        """The rule-based reward of an answer. KeyError: a fact that the rule needs is missing."""
        return float(text.strip() == str(facts["answer"]).strip())

    @property
    def credits(self) -> Callable[[str, Facts], Iterable[Credit]] | None:
        """What parts of an answer earned, of (text, facts); None: a score belongs to the whole answer."""
        return None

    def comparable(self, answer: Answer) -> bool:
        """Whether an answer is no worse at first sight than the one in the file: what one glance tells apart teaches a
        reward model nothing else."""
        return answer.ended

    def pairs(self, drafts: Drafts, dice: random.Random) -> Iterator[Row]:
        """Preference pairs (prompt, chosen, rejected, kind) beside those of the run's answers as they are."""
        yield from ()
