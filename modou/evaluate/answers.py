"""Answers to the same questions side by side: means and shares with intervals, and who wins against whom."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modou.evaluate.intervals import wilson_interval

RESAMPLES = 2000


def mean(values: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """The mean, and its 95 % interval by drawing questions anew (bootstrap). The interval of fewer than two is null."""
    array = np.asarray(values, np.float64)
    found: dict[str, Any] = {"mean": float(array.mean()) if len(array) else None, "count": len(array), "interval": None}
    if len(array) > 1:
        draws = np.random.default_rng(seed).integers(len(array), size=(RESAMPLES, len(array)))
        found["interval"] = np.percentile(array[draws].mean(axis=1), [2.5, 97.5]).tolist()
    return found


def share(marks: Sequence[bool]) -> dict[str, Any]:
    """How many are true, with Wilson's interval."""
    interval = wilson_interval(sum(marks), len(marks))
    rate = sum(marks) / len(marks) if marks else None
    return {"share": rate, "count": len(marks), "interval": list(interval) if interval else None}


def shares(marks: Sequence[Mapping[str, bool]]) -> dict[str, Any]:
    """How often each rule is kept, of the answers that it can be asked of."""
    rules = dict.fromkeys(name for kept in marks for name in kept)
    return {name: share([kept[name] for kept in marks if name in kept]) for name in rules}


def wins(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """How often ours scores higher on the same question; equal scores count as half."""
    points = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in zip(ours, theirs, strict=True)]
    return mean(points)


def distinct(texts: Sequence[str], n: int = 2) -> float | None:
    """Different character n-grams over all of them (Li et al. 2016). None: no text is that long."""
    grams = [text[place : place + n] for text in texts for place in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None
