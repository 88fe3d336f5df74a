"""Bits per character, comparable between models with different tokenizers.

Total code length of a text in bits (including newlines and end mark) / number of its characters without newlines.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from modou.evaluate.intervals import Blocks, Interval, blocks, difference_interval, ratio_interval
from modou.messages import UserError


@dataclass(frozen=True)
class CodeLength:
    """Bits per character of a text."""

    bits_per_char: float
    """Bits ÷ characters."""
    interval: Interval | None
    """95 % interval [low, high]; null for a text of fewer than two blocks."""
    characters: int
    """Characters, line ends not counted."""
    blocks: int
    """Blocks of about 500 characters that the interval is drawn from."""


@dataclass(frozen=True)
class Gain:
    """Difference of two models on the same text."""

    bits_per_char: float
    """Bits per character of the one less those of the other."""
    interval: Interval | None
    """Paired 95 % interval [low, high]; null for a text of fewer than two blocks."""


@dataclass(frozen=True)
class BitsPerCharacter:
    """Code length of held-out text in bits, with a 95 % block bootstrap interval."""

    bits: float
    characters: int
    blocks: Blocks = field(repr=False, compare=False)
    seed: int = 0

    @property
    def value(self) -> float:
        return self.bits / self.characters

    @cached_property
    def interval(self) -> Interval | None:
        """95 % interval of `value`. None: fewer than two blocks."""
        return ratio_interval(self.blocks, self.seed)

    @property
    def figures(self) -> CodeLength:
        """As reported."""
        return CodeLength(self.value, self.interval, self.characters, len(self.blocks))

    def gain_over(self, baseline: "BitsPerCharacter") -> Gain:
        """Relative to `baseline` on the same characters."""
        return Gain(baseline.value - self.value, difference_interval(baseline.blocks, self.blocks, self.seed))


def characters(text: str) -> npt.NDArray[np.int64]:
    """(len(text) + 1,): 1 per character, 0 for newlines and for the end mark."""
    return np.array([*(character != "\n" for character in text), False], np.int64)


def score(texts: Sequence[tuple[npt.ArrayLike, npt.ArrayLike]], seed: int = 0) -> BitsPerCharacter:
    """Sums texts given as (bits, characters) per unit: character, token or end mark. UserError: no character."""
    parts = blocks(texts)
    count = int(parts.characters.sum())
    if count == 0:
        raise UserError("evaluate.nothing_to_score")
    return BitsPerCharacter(float(parts.bits.sum()), count, parts, seed)
