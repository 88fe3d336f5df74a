"""The interface of a task: data, rules that check an answer, rewards, preference pairs, and an alignment recipe.

A new task is a subclass of Task in a folder of its own, and one line of the registry.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modou.data.conversation import Template
from modou.data.examples import Question
from modou.data.formats.formats import true_answer
from modou.model.gpt import GPT
from modou.settings.base import Settings
from modou.train.rollouts import Answer, Credit

Facts = Mapping[str, Any]
"""The facts of a question beside its text, for rules to use; "task" is the task's name."""
Row = dict[str, Any]
"""A row of a JSONL file of examples."""
PAIRS = "preferences.jsonl"
"""The file that a stage of kind "pairs" writes."""


class TaskSettings(Settings):
    """The constants of a task; here those of preference pairs, which all tasks share."""

    samples: int = 2
    """Rejected answers sampled for each question, paired with the answer in the file."""
    warm: int = 1
    """The same at a higher temperature: they keep a reward model from rewarding low likelihood as such
    (docs/experiments/verse-judge.md)."""
    warmth: float = 1.2
    """Their temperature relative to that of the others. Human text is a little less likely under a model than its
    samples, and these should be a little less likely than human text."""


SETTINGS = TaskSettings()


@dataclass(frozen=True)
class Stage:
    """One stage of `modou align TASK`. Other stages and files are referred to by name."""

    name: str
    """The name of its run folder and table of settings, used by other stages and --methods."""
    kind: str
    """What it does: "task" (writes the data), "pairs", "compare", or a training method (modou.settings.methods)."""
    after: str = ""
    """The stage whose run is its base; for a comparison, the run that the others are compared with."""
    data: str = ""
    """The data file it reads; for kind "task", the last one it writes."""
    corpus: str = ""
    """The named corpus that it pretrains on, instead of a data file."""
    judge: str = ""
    """What scores the answers: a task, or a stage of kind "reward"."""
    reference: str = ""
    """The stage whose run is the reference model of an implicit reward model, if not its base."""
    optional: bool = False
    """Whether --methods selects it; optional stages are compared at the end."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Settings that override those of the recipe's file: {group: {option: value}}."""


@dataclass(frozen=True)
class Recipe:
    """The stages from the data to the comparison, in order. A task without stages cannot be aligned."""

    stages: tuple[Stage, ...] = ()
    file: str = ""
    """A preset file that ships with modou, with a table for each stage; "": none."""
    minutes: float = 60.0
    """Total training time of the stages as they are written; `modou align --minutes` scales them."""
    questions: int = 1000
    """Maximum number of questions in the comparison; 1000 give shares to ± 3 percentage points."""

    def stage(self, name: str) -> Stage:
        """The stage of that name, which must exist."""
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def methods(self) -> tuple[str, ...]:
        """The names --methods can select."""
        return tuple(stage.name for stage in self.stages if stage.optional)


@dataclass(frozen=True)
class Drafts:
    """A run's answers to some questions of a file, from which a task makes preference pairs."""

    model: GPT
    template: Template
    asked: Sequence[Question]
    """The questions; each has an answer in its facts."""
    answers: Sequence[Answer]
    """The run's comparable answers to them, at the usual temperature."""
    every: Sequence[Question]
    """All questions of the file."""


def states(text: str, truth: str) -> bool:
    """Whether an answer, or the result after #### on the last line of a worked one, equals the true answer."""
    return truth in (text.strip(), true_answer(text))


@dataclass(frozen=True)
class Task:
    """A task. This base class is the task of questions that name none: exact match with the true answer."""

    name: str = "exact"
    """Its name in commands, judges and facts."""
    settings: TaskSettings = SETTINGS
    recipe: Recipe = Recipe()

    def files(self, seed: int) -> Mapping[str, Sequence[Row]]:
        """The rows of its data files by name, a pure function of the seed. Rows that are questions are `tagged`."""
        return {}

    def tagged(self, rows: Iterable[Row]) -> list[Row]:
        """The rows with the task's name in their facts."""
        return [row | {"facts": {"task": self.name, **row.get("facts", {})}} for row in rows]

    def rules(self, question: Question, text: str) -> dict[str, bool]:
        """Whether an answer satisfies each rule that applies to the question, by the rule's name."""
        truth = self.truth(question)
        return {} if truth is None else {"exact": states(text, truth)}

    def truth(self, question: Question) -> str | None:
        """The true answer, if there is exactly one and it is known."""
        return str(question.facts["answer"]).strip() if "answer" in question.facts else None

    def score(self, text: str, facts: Facts) -> float:
        """The rule-based reward of an answer, 0 to 1. KeyError: a fact is missing."""
        return float(states(text, str(facts["answer"]).strip()))

    @property
    def credits(self) -> Callable[[str, Facts], Iterable[Credit]] | None:
        """A function (text, facts) -> rewards of parts of an answer; None: the score belongs to the whole answer."""
        return None

    def comparable(self, answer: Answer) -> bool:
        """Whether an answer can be the rejected one of a pair: not if it is trivially worse than the one in the file,
        since a reward model would learn only that difference."""
        return answer.ended

    def pairs(self, drafts: Drafts, dice: random.Random) -> Iterator[Row]:
        """The task's own preference pairs (prompt, chosen, rejected, kind), in addition to those with sampled
        answers."""
        yield from ()
