"""Statistics of answers to the same questions: means, rates, win rates with 95 % intervals, distinct-n."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modou.evaluate.intervals import wilson_interval

RESAMPLES = 2000


def mean(values: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """The mean with its 95 % bootstrap interval (None for fewer than two values)."""
    array = np.asarray(values, np.float64)
    found: dict[str, Any] = {"mean": float(array.mean()) if len(array) else None, "count": len(array), "interval": None}
    if len(array) > 1:
        draws = np.random.default_rng(seed).integers(len(array), size=(RESAMPLES, len(array)))
        found["interval"] = np.percentile(array[draws].mean(axis=1), [2.5, 97.5]).tolist()
    return found


def share(marks: Sequence[bool]) -> dict[str, Any]:
    """Share of true values, with Wilson's 95 % interval."""
    interval = wilson_interval(sum(marks), len(marks))
    rate = sum(marks) / len(marks) if marks else None
    return {"share": rate, "count": len(marks), "interval": list(interval) if interval else None}


def shares(marks: Sequence[Mapping[str, bool]]) -> dict[str, Any]:
    """For each rule, the share of the answers that keep it, among those to which it applies."""
    rules = dict.fromkeys(name for kept in marks for name in kept)
    return {name: share([kept[name] for kept in marks if name in kept]) for name in rules}


def wins(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Win rate over the same questions; equal scores count as half."""
    return mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in zip(ours, theirs, strict=True)])


def distinct(texts: Sequence[str], n: int = 2) -> float | None:
    """Distinct-n: different character n-grams / all n-grams over all texts (Li et al. 2016). None: no n-gram."""
    grams = [text[start : start + n] for text in texts for start in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None
