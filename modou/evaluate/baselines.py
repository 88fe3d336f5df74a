"""Baselines on the same held-out characters: Kneser-Ney n-gram models of orders 1 to 6, and xz."""

from collections.abc import Sequence
from dataclasses import dataclass

from modou.evaluate.bits import BitsPerCharacter, CodeLength
from modou.evaluate.compress import Compressed, conditional_xz
from modou.evaluate.ngram import HIGHEST_ORDER, KneserNey
from modou.evaluate.subsample import Extent, subsample


@dataclass(frozen=True)
class Baselines:
    """Simple models on the test text."""

    kn1: CodeLength
    """Kneser-Ney model of order 1, of single characters."""
    kn2: CodeLength
    """Order 2."""
    kn3: CodeLength
    """Order 3."""
    kn4: CodeLength
    """Order 4."""
    kn5: CodeLength
    """Order 5."""
    kn6: CodeLength
    """Order 6."""
    xz: Compressed
    """The compressor xz."""
    train: Extent
    """Training text that they were fitted to."""


def baselines(train: Sequence[str], test: Sequence[str], seed: int = 0) -> tuple[Baselines, BitsPerCharacter]:
    """Fits on at most 20 MB of `train`, scores `test`; the second value is the model of order 5, for comparisons.

    UserError: `test` has no character.
    """
    used = subsample(train)
    orders = KneserNey.fit(used.texts, HIGHEST_ORDER).every_order(test, seed)
    by_order = {f"kn{order}": result.figures for order, result in orders.items()}
    return Baselines(**by_order, xz=conditional_xz(used.texts, test), train=used.extent), orders[5]
