"""Baselines on the same held-out characters: Kneser-Ney n-gram models of orders 1 to 6, and xz."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modou.evaluate.bits import BitsPerCharacter
from modou.evaluate.compress import Compressed, conditional_xz
from modou.evaluate.ngram import HIGHEST_ORDER, KneserNey
from modou.evaluate.subsample import Subsample, subsample


@dataclass(frozen=True)
class Baselines:
    """Bits per character of Kneser-Ney by order, and of xz; `train`: the training text that was used."""

    kneser_ney: dict[int, BitsPerCharacter]
    xz: Compressed
    train: Subsample

    def to_json(self) -> dict[str, Any]:
        by_order = {f"kn{order}": result.to_json() for order, result in self.kneser_ney.items()}
        return {**by_order, "xz": self.xz.to_json(), "train": self.train.to_json()}


def baselines(train: Sequence[str], test: Sequence[str], seed: int = 0) -> Baselines:
    """Fits on at most 20 MB of `train`, scores `test`. UserError: `test` has no character."""
    used = subsample(train)
    kneser_ney = KneserNey.fit(used.texts, HIGHEST_ORDER).every_order(test, seed)
    return Baselines(kneser_ney, conditional_xz(used.texts, test), used)
