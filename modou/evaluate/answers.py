"""Statistics of answers to the same questions: means, rates, win rates, with 95 % intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modou.evaluate.intervals import Blocks, ratio_interval, wilson_interval


def mean(values: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """The mean with its 95 % bootstrap interval (None for fewer than two values)."""
    array = np.asarray(values, np.float64)
    interval = ratio_interval(Blocks(array, np.ones(len(array), np.int64)), seed)
    average = float(array.mean()) if len(array) else None
    return {"mean": average, "count": len(array), "interval": list(interval) if interval else None}


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
