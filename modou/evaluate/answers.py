"""Statistics of answers to the same questions: means, rates, win rates, with 95 % intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modou.evaluate.intervals import Blocks, Interval, ratio_interval, wilson_interval


@dataclass(frozen=True)
class Mean:
    """A mean over answers."""

    mean: float | None
    """Null: no answer."""
    count: int
    """Answers."""
    interval: Interval | None
    """95 % bootstrap interval [low, high]; null for fewer than two answers."""


@dataclass(frozen=True)
class Share:
    """A share of answers."""

    share: float | None
    """Between 0 and 1; null: no answer."""
    count: int
    """Answers."""
    interval: Interval | None
    """Wilson's 95 % interval [low, high]; null: no answer."""


def mean(values: Sequence[float], seed: int = 0) -> Mean:
    """The mean with its interval."""
    array = np.asarray(values, np.float64)
    average = float(array.mean()) if len(array) else None
    return Mean(average, len(array), ratio_interval(Blocks(array, np.ones(len(array), np.int64)), seed))


def share(marks: Sequence[bool]) -> Share:
    """Share of true values, with its interval."""
    interval = wilson_interval(sum(marks), len(marks))
    return Share(sum(marks) / len(marks) if marks else None, len(marks), interval)


def shares(marks: Sequence[Mapping[str, bool]]) -> dict[str, Share]:
    """For each rule, the share of the answers that keep it, among those to which it applies."""
    rules = dict.fromkeys(name for kept in marks for name in kept)
    return {name: share([kept[name] for kept in marks if name in kept]) for name in rules}


def wins(ours: Sequence[float], theirs: Sequence[float]) -> Mean:
    """Win rate over the same questions; equal scores count as half."""
    return mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in zip(ours, theirs, strict=True)])
