"""The plan of a pretraining run: chooses every open option from the text and the time budget, with a reason for each.

Options the user set are kept. The rules are fits to our own runs (docs/experiments/) on books of about a million
characters with 5 to 45 minutes on two cores; elsewhere they extrapolate.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from modou.messages import UserError, text
from modou.model.census import describe
from modou.settings.model import ModelSettings
from modou.settings.run import RunSettings
from modou.settings.train import Trained
from modou.train.ways import REFERENCE, TimedWay, Way, may_keep_weights, settled

GENEROUS = 1.2
"""Planned steps over those that fit the budget at the measured pace: training ends with the time, not before it."""
GUESSED_RATE = 5e10
"""Assumed training FLOP/s where nothing is measured, to guess whether a training is long."""
CONTINUED = 0.25
"""Learning rates for a model that was trained before, over those for a new one; SFT has the same."""
ADAPTED = 0.003
"""Learning rate of adapters in continued pretraining."""
T = TypeVar("T", bound=Trained)
EFFICIENCY = 0.6
"""Assumed model FLOPs utilisation, for the choice of the model size; steps follow from a measured pace."""


@dataclass(frozen=True)
class TextFacts:
    """Properties of the training text."""

    characters: int
    distinct: int
    """Number of different characters."""
    chinese: bool


@dataclass(frozen=True)
class Budget:
    """Time and compute."""

    minutes: float
    """0 = no time budget: the steps are given."""
    flops_per_second: float
    """Matrix multiplication rate of the device."""
    pace: Callable[[RunSettings], float]
    """Measures the training tokens per second of a configuration."""
    way: Callable[[RunSettings, float], tuple[Way, list[TimedWay]]]
    """Chooses the way to compute the training steps of a configuration, for a training of so many seconds."""

    @property
    def flops(self) -> float:
        """Training FLOPs that fit in the time."""
        return self.minutes * 60 * self.flops_per_second * EFFICIENCY


@dataclass(frozen=True)
class PlanChoice:
    """An option that the plan chose."""

    name: str
    """Its group and name, such as model.layers."""
    value: Any
    """The value chosen."""
    reason: str
    """Why, in the language of the run."""


@dataclass(frozen=True)
class Plan:
    """The plan of a pretraining run."""

    minutes: float
    """Time budget of training in minutes; 0: none."""
    choices: list[PlanChoice]
    """Options that nobody had set."""
    epochs: float
    """Passes over the training text."""
    expected: dict[str, float | None]
    """Expected on held-out text: "bits_per_char"; null outside the range of our runs."""
    ways: list[TimedWay] = field(default_factory=list[TimedWay])
    """Ways to compute a training step that were timed on this machine; empty for short trainings and on a GPU."""


@dataclass(frozen=True)
class Size:
    """A model shape, and the training FLOPs from which it is preferred to smaller ones."""

    layers: int
    width: int
    heads: int
    from_flops: float


LADDER = (
    Size(2, 128, 2, 0.0),
    Size(2, 192, 3, 2e12),
    Size(2, 256, 4, 6e12),
    Size(3, 256, 4, 4e13),
    Size(4, 256, 4, 1.5e14),
    Size(6, 320, 5, 6e14),
    Size(8, 448, 7, 4e15),
    Size(12, 768, 12, 1e17),
)


def choose_vocabulary(facts: TextFacts) -> int:
    """Vocabulary size. It grows with the cube root of the text's length, but holds at least most characters. A Chinese
    text with fewer different characters than usual for its length is more repetitive and gets a larger one."""
    root = max(facts.characters, 1) ** (1 / 3)
    pieces = (45 if facts.chinese else 20) * root
    if facts.chinese:
        usual = min(43 * root, 4100)
        pieces *= min(1.5, max(1.0, usual / max(facts.distinct, 1)) ** 0.6)
    floor = 300 + min(facts.distinct, 4000)
    return int(min(32_000, max(floor, round(pieces / 256) * 256)))


def choose_size(flops: float) -> Size:
    """The largest shape of LADDER for that many training FLOPs."""
    return max((size for size in LADDER if flops >= size.from_flops), key=lambda size: size.from_flops)


def choose_dropout(epochs: float) -> float:
    """Dropout probability; 0 for few epochs."""
    return 0.0 if epochs < 2.5 else 0.1 if epochs < 6 else 0.15 if epochs < 15 else 0.2


def choose_evaluations(minutes: float) -> int:
    """Number of evaluations: about two per minute, between 4 and 20."""
    return int(min(20, max(4, minutes * 2))) if minutes else 20


def plan_tokenizer(facts: TextFacts, asked: RunSettings) -> tuple[RunSettings, list[PlanChoice]]:
    """The choices that depend on the text alone."""
    chooser = _Chooser(asked)
    if asked.tokenizer.kind != "char":
        chooser.choose("tokenizer.vocabulary", choose_vocabulary(facts), characters=facts.characters)
    return chooser.settings, chooser.choices


def plan_training(
    facts: TextFacts,
    tokens: int,
    vocabulary: int,
    budget: Budget,
    asked: RunSettings,
    base: ModelSettings | None = None,
) -> tuple[RunSettings, Plan]:
    """The complete settings, with the remaining choices for `tokens` training tokens per epoch: shape, steps,
    regularisation. base: the shape of the model that training starts from."""
    asked = asked.with_values({"model": {"vocabulary": vocabulary}})
    start = _Chooser(asked) if base is None else _continued(asked, base)
    asked, context = start.settings, base and base.context
    chooser = _with_shape(asked, budget.flops, bool(budget.minutes), tokens, context)
    way, timed = budget.way(chooser.settings, training_seconds(chooser.settings))
    gain = next((found.ratio for found in timed if found.way == way), 1.0)
    if gain > 1:  # more FLOPs in the same time
        chooser = _with_shape(asked, budget.flops * gain, bool(budget.minutes), tokens, context)
        if way.attention == "products" and not may_keep_weights(chooser.settings):
            way = replace(way, attention=asked.train.attention if asked.train.attention != "auto" else "sdpa")
    chooser.take(way, gain if timed else None)
    settings = chooser.settings
    per_step = settings.train.batch * settings.model.context
    if budget.minutes:
        in_time = budget.minutes * 60 * budget.pace(settings) / per_step
        chooser.choose("train.steps", max(10, int(GENEROUS * in_time)), minutes=budget.minutes)
        in_time = min(in_time, chooser.settings.train.steps)
    else:
        in_time = settings.train.steps
    epochs = in_time * per_step / max(1, tokens)
    chooser.choose("model.dropout", choose_dropout(epochs), epochs=epochs)
    chooser.choose("optimizer.weight_decay", 0.1 if epochs < 3 else 0.2, epochs=epochs)
    steps = chooser.settings.train.steps
    every = math.ceil(steps / choose_evaluations(budget.minutes))
    chooser.choose("train.evaluate_every", every, count=math.ceil(steps / every))
    flops = describe(settings.model).flops_per_token * epochs * tokens
    expected = expected_bits(flops, facts) if base is None else None
    return chooser.settings, Plan(
        chooser.settings.train.minutes, start.choices + chooser.choices, epochs, {"bits_per_char": expected}, timed
    )


def _continued(asked: RunSettings, base: ModelSettings) -> "_Chooser":
    """The base's shape, but for the context, which may be shorter; smaller learning rates than for new weights and no
    dropout: what the base can do is to be kept."""
    chooser = _Chooser(asked.with_values({"model": base.model_dump(exclude={"vocabulary", "context", "dropout"})}))
    if asked.lora.rank:
        adapted = for_adapters(asked, ADAPTED).optimizer
        chooser.choose("optimizer.name", adapted.name, key="continued_adapters")
        chooser.choose("optimizer.matrix_lr", adapted.matrix_lr, key="continued_adapters")
    else:
        for name in ("matrix_lr", "embedding_lr", "norm_lr"):
            rate = CONTINUED * getattr(asked.optimizer, name)
            chooser.choose(f"optimizer.{name}", rate, key="continued_rate", share=CONTINUED)
    chooser.choose("model.dropout", 0.0, key="continued_dropout")
    return chooser


def for_adapters(settings: T, rate: float) -> T:
    """The settings with AdamW and this learning rate, for low-rank adapters: Muon orthogonalises whole matrices.

    UserError: Muon is asked for.
    """
    if settings.is_set("optimizer", "name") and settings.optimizer.name == "muon":
        raise UserError("align.adapters_want_adamw")
    own = {} if settings.is_set("optimizer", "matrix_lr") else {"matrix_lr": rate}
    return settings.with_values({"optimizer": {"name": "adamw", **own}})


def _with_shape(asked: RunSettings, flops: float, in_time: bool, tokens: int, most: int | None = None) -> "_Chooser":
    """The model's shape, its context and the batch for so many training FLOPs; without a time limit, as asked.
    most: the longest context of the base, if there is one."""
    chooser = _Chooser(asked)
    if in_time and not any(asked.is_set("model", name) for name in ("layers", "width", "heads")):
        size = choose_size(flops)
        for name, value in (("layers", size.layers), ("width", size.width), ("heads", size.heads)):
            chooser.choose(f"model.{name}", value, petaflops=flops / 1e15)
    context = asked.model.context if not in_time else 128 if flops < 6e14 else 256
    if most is not None:
        context = min(context, most)
        chooser.choose("model.context", min(context, max(4, tokens - 1)), key="continued_context", most=most)
    if tokens <= context:  # a row is a context and the token after it
        chooser.choose("model.context", max(4, tokens - 1), key="short_text", tokens=tokens)
    if in_time:
        chooser.choose("model.context", context)
        chooser.choose("train.batch", 16 if flops < 1e15 else 32)
    return chooser


def training_seconds(settings: RunSettings) -> float:
    """How long the training takes: its time limit, or a guess for the steps that are set."""
    if settings.train.minutes:
        return settings.train.minutes * 60
    tokens = settings.train.steps * settings.train.batch * settings.model.context
    return tokens * describe(settings.model).flops_per_token / GUESSED_RATE


def expected_bits(flops: float, facts: TextFacts) -> float | None:
    """Expected bits per character on held-out text after so many training FLOPs: a line fitted to our runs on one
    Chinese novel (docs/experiments/novel.md). None for other budgets or texts."""
    like_ours = facts.chinese and 400_000 <= facts.characters <= 1_600_000 and facts.distinct >= 3000
    if not like_ours or not 1e13 <= flops <= 1.3e14:
        return None
    return 5.37 - 0.185 * math.log2(flops / 2.13e13)


class _Chooser:
    """Sets options that are not set, and records the reasons."""

    def __init__(self, asked: RunSettings) -> None:
        self.settings = asked
        self.choices: list[PlanChoice] = []

    def choose(self, option: str, value: Any, key: str = "", **why: object) -> None:
        group, name = option.split(".")
        if self.settings.is_set(group, name):
            return
        self.settings = self.settings.with_values({group: {name: value}})
        reason = f"plan.{key}" if key else f"plan.{group}_{name}"
        self.choices.append(PlanChoice(option, value, text(reason, **why)))

    def take(self, way: Way, ratio: float | None) -> None:
        """Settles how steps are computed. ratio: measured speed against float32 eager; None: not measured, which is
        not worth a line."""
        settings = settled(self.settings, way)
        if ratio is not None:
            for name in ("precision", "attention", "compile", "threads"):
                if getattr(way, name) != getattr(REFERENCE, name) or name == "precision":
                    key = "way" if ratio > 1 else "way_as_ever"
                    self.choose(f"train.{name}", getattr(settings.train, name), key=key, ratio=ratio)
        self.settings = settings
