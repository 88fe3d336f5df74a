"""Baselines on the same held-out characters: Kneser-Ney n-gram models of orders 1 to 6, and xz."""

from collections.abc import Sequence

from modou.evaluate.bits import BitsPerCharacter, CodeLength
from modou.evaluate.compress import Compressed, conditional_xz
from modou.evaluate.ngram import HIGHEST_ORDER, KneserNey
from modou.evaluate.subsample import Extent, subsample

Baseline = CodeLength | Compressed | Extent


def baselines(train: Sequence[str], test: Sequence[str], seed: int = 0) -> tuple[dict[str, Baseline], BitsPerCharacter]:
    """Fits on at most 20 MB of `train`, scores `test`: "kn1" … "kn6" and "xz"; "train": the text that was used.

    The second value is the Kneser-Ney model of order 5, for comparisons.
    UserError: `test` has no character.
    """
    used = subsample(train)
    orders = KneserNey.fit(used.texts, HIGHEST_ORDER).every_order(test, seed)
    found: dict[str, Baseline] = {f"kn{order}": result.figures for order, result in orders.items()}
    return found | {"xz": conditional_xz(used.texts, test), "train": used.extent}, orders[5]
