"""Baselines on the same held-out characters: Kneser-Ney n-gram models of orders 1 to 6, and xz."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from modou.evaluate.bits import BitsPerCharacter, CodeLength
from modou.evaluate.compress import Compressed, conditional_xz
from modou.evaluate.ngram import HIGHEST_ORDER, KneserNey
from modou.evaluate.subsample import Extent, subsample

Baseline = CodeLength | Compressed | Extent


@dataclass(frozen=True)
class Baselines:
    """Simple models of a training text, on held-out text."""

    figures: dict[str, Baseline]
    """As reported: "kn1" … "kn6" and "xz"; "train": the text that was used."""
    order_5: BitsPerCharacter
    """The Kneser-Ney model of order 5 on the held-out text, for comparisons."""
    kneser_ney: KneserNey
    """The models of all orders."""


def baselines(train: Sequence[str], test: Sequence[str], seed: int = 0) -> Baselines:
    """Fits on at most 20 MB of `train`, scores `test`. UserError: `test` has no character."""
    used = subsample(train)
    with ThreadPoolExecutor(max_workers=1) as pool:  # compressing needs no interpreter, and takes longest
        xz = pool.submit(conditional_xz, used.texts, test)
        kneser_ney = KneserNey.fit(used.texts, HIGHEST_ORDER)
        orders = kneser_ney.every_order(test, seed)
    found: dict[str, Baseline] = {f"kn{order}": result.figures for order, result in orders.items()}
    return Baselines(found | {"xz": xz.result(), "train": used.extent}, orders[5], kneser_ney)
