"""One dial: from the text and the minutes to the whole recipe, each choice with its reason.

A plan fills only what nobody set. The rules are fits to our own runs (docs/experiments.md), not laws: they hold for
books of 0.1 to 20 million characters and budgets of minutes to hours; beyond, they are extrapolated and say so.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from modou.messages import text
from modou.model.census import describe
from modou.settings.run import RunSettings

MINUTES = 30.0
"""The budget where nobody names one."""


@dataclass(frozen=True)
class Facts:
    """What a plan is made from."""

    characters: int
    """Characters to train on."""
    chinese: bool
    """Whether most characters are Chinese (they carry about three times the information of a Latin letter)."""
    minutes: float
    flops_per_second: float
    """What the device really does in training steps."""
    threads: int
    device: str
    distinct: int
    """Different characters in the training text."""


@dataclass(frozen=True)
class Choice:
    """One option the plan chose, and why."""

    name: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Plan:
    """The complete settings, the choices that led there and what to expect."""

    settings: RunSettings
    choices: tuple[Choice, ...]
    facts: Facts
    tokens: int
    """Tokens of one epoch (estimated)."""
    steps: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def epochs(self) -> float:
        """Times the training text is read."""
        train, model = self.settings.train, self.settings.model
        return train.steps * train.batch * model.context / max(1, self.tokens)


@dataclass(frozen=True)
class Size:
    """A rung of the ladder: a shape, and the training FLOPs from which it is the better choice."""

    layers: int
    width: int
    heads: int
    from_flops: float


LADDER = (
    Size(2, 128, 2, 0.0),
    Size(3, 192, 3, 3e12),
    Size(4, 256, 4, 1e13),
    Size(6, 256, 4, 6e13),
    Size(6, 320, 5, 1.5e14),
    Size(8, 384, 6, 6e14),
    Size(10, 512, 8, 4e15),
    Size(12, 768, 12, 1e17),
)


def choose_vocabulary(characters: int, chinese: bool, distinct: int) -> int:
    """Pieces: enough that most characters are pieces of their own and frequent words too, few enough that each is seen
    often. Grows with the cube root of the text."""
    pieces = (80 if chinese else 35) * max(characters, 1) ** (1 / 3)
    least = 300 + min(distinct, 4000)
    return int(min(32_000, max(least, round(pieces / 256) * 256)))


def characters_per_token(chinese: bool, vocabulary: int) -> float:
    """What BPE of that size makes of prose, from our own tokenizers (within about 10 %)."""
    return 0.19 * math.log(vocabulary) - 0.42 if chinese else 0.62 * math.log(vocabulary) - 2.2


def choose_size(flops: float) -> Size:
    """The largest rung that the budget pays for."""
    return max((size for size in LADDER if flops >= size.from_flops), key=lambda size: size.from_flops)


def make_plan(facts: Facts, asked: RunSettings) -> Plan:
    """Chooses all that `asked` leaves open."""
    flops = facts.minutes * 60 * facts.flops_per_second
    chooser = _Chooser(asked)
    chooser.choose(
        "tokenizer.vocabulary",
        choose_vocabulary(facts.characters, facts.chinese, facts.distinct),
        characters=facts.characters,
    )
    vocabulary = chooser.settings.tokenizer.vocabulary
    size = choose_size(flops)
    for name, value in (("layers", size.layers), ("width", size.width), ("heads", size.heads)):
        if not _shape_was_set(asked):
            chooser.choose(f"model.{name}", value, exaflops=flops / 1e15)
    chooser.choose("model.context", 256 if flops > 2e12 else 128)
    chooser.choose("train.batch", 8 if flops < 1e15 else 32)
    model = chooser.settings.model.changed(vocabulary=vocabulary)
    tokens = int(facts.characters / characters_per_token(facts.chinese, vocabulary))
    per_token = describe(model)["flops_per_token"]
    per_step = chooser.settings.train.batch * model.context
    steps = max(20, int(flops / per_token / per_step))
    chooser.choose("train.steps", steps, minutes=facts.minutes)
    epochs = chooser.settings.train.steps * per_step / max(1, tokens)
    chooser.choose("model.dropout", _dropout(epochs), epochs=epochs)
    chooser.choose("optimizer.weight_decay", 0.1 if epochs < 3 else 0.2, epochs=epochs)
    chooser.choose("train.evaluate_every", max(1, math.ceil(steps / evaluations(facts.minutes))))
    chooser.choose("train.minutes", facts.minutes)
    return Plan(chooser.settings, tuple(chooser.choices), facts, tokens, steps)


def evaluations(minutes: float) -> int:
    """Evaluations in a run: about one in twenty seconds at first, at most twenty."""
    return int(min(20, max(4, minutes * 2)))


def _dropout(epochs: float) -> float:
    """None while the text is nearly new; more the oftener it is read."""
    return 0.0 if epochs < 2.5 else 0.1 if epochs < 6 else 0.15 if epochs < 15 else 0.2


def _shape_was_set(asked: RunSettings) -> bool:
    return any(asked.is_set("model", name) for name in ("layers", "width", "heads"))


class _Chooser:
    """Sets what is open and remembers why."""

    def __init__(self, asked: RunSettings) -> None:
        self.settings = asked
        self.choices: list[Choice] = []

    def choose(self, option: str, value: Any, **why: object) -> None:
        group, name = option.split(".")
        if self.settings.is_set(group, name):
            return
        self.settings = self.settings.with_values({group: {name: value}})
        self.choices.append(Choice(option, value, text(f"plan.{group}_{name}", **why)))
