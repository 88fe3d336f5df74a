"""Statistics of answers to the same questions: means, rates, win rates with 95 % intervals, distinct-n."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from modou.evaluate.intervals import Interval, wilson_interval

RESAMPLES = 2000


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
    if len(array) < 2:
        return Mean(float(array[0]) if len(array) else None, len(array), None)
    draws = np.random.default_rng(seed).integers(len(array), size=(RESAMPLES, len(array)))
    low, high = np.percentile(array[draws].mean(axis=1), [2.5, 97.5]).tolist()
    return Mean(float(array.mean()), len(array), (low, high))


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


def distinct(texts: Sequence[str], n: int = 2) -> float | None:
    """Distinct-n: different character n-grams / all n-grams over all texts (Li et al. 2016). None: no n-gram."""
    grams = [text[start : start + n] for text in texts for start in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None
