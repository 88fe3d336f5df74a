"""95 % confidence intervals.

Bits per character: block bootstrap over blocks of about 500 characters, since neighbouring characters are dependent;
differences of two models: paired bootstrap over the same blocks; rates: Wilson's score interval.
Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993; Wilson, JASA 22, 1927.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Interval = tuple[float, float]

BLOCK_CHARACTERS = 500
RESAMPLES = 2000
WILSON_Z = 1.959963984540054  # 97.5 % point of the normal distribution


@dataclass(frozen=True, eq=False)
class Blocks:
    """Bits and characters of consecutive blocks of text; no block spans two texts."""

    bits: Floats
    characters: Integers

    def __len__(self) -> int:
        return len(self.bits)


def blocks(texts: Iterable[tuple[npt.ArrayLike, npt.ArrayLike]], size: int = BLOCK_CHARACTERS) -> Blocks:
    """Divides each text, given as (bits, characters) per unit, into blocks of `size` characters.

    A unit (character, token, end mark) belongs to the block of its first character, so the blocks of models with
    different tokenizers correspond. The last block of a text includes the remainder, up to twice the size.
    """
    bits: list[Floats] = []
    lengths: list[Integers] = []
    for unit_bits, unit_characters in texts:
        characters = np.asarray(unit_characters, np.int64)
        total = int(characters.sum())
        count = max(1, total // size)
        block = np.minimum((np.cumsum(characters) - characters) // size, count - 1)
        edges = np.append(np.arange(count) * size, total)
        spent = np.bincount(block, weights=np.asarray(unit_bits, np.float64), minlength=count)
        bits.append(spent.astype(np.float64))
        lengths.append(np.diff(edges))
    if not bits:
        return Blocks(np.zeros(0), np.zeros(0, np.int64))
    return Blocks(np.concatenate(bits), np.concatenate(lengths))


def ratio_interval(of: Blocks, seed: int = 0) -> Interval | None:
    """95 % interval of bits / characters. None: fewer than two blocks."""
    return None if len(of) < 2 else _percentiles(_ratios(of, _draws(len(of), seed)))


def difference_interval(first: Blocks, second: Blocks, seed: int = 0) -> Interval | None:
    """95 % interval of ratio(first) − ratio(second) over the same blocks. None: fewer than two."""
    assert np.array_equal(first.characters, second.characters), "not measured on the same characters"
    if len(first) < 2:
        return None
    draws = _draws(len(first), seed)
    return _percentiles(_ratios(first, draws) - _ratios(second, draws))


def wilson_interval(successes: int, trials: int) -> Interval | None:
    """Wilson's 95 % interval of a rate. None: no trial."""
    assert 0 <= successes <= trials
    if trials == 0:
        return None
    rate, z2 = successes / trials, WILSON_Z**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    spread = math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    half = WILSON_Z / (1 + z2 / trials) * spread
    # Rounding must not move a bound past the rate at 0 and 1.
    return min(rate, max(0.0, centre - half)), max(rate, min(1.0, centre + half))


def _draws(count: int, seed: int) -> Integers:
    return np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))


def _ratios(of: Blocks, draws_RN: Integers) -> Floats:
    return of.bits[draws_RN].sum(axis=1) / of.characters[draws_RN].sum(axis=1)


def _percentiles(values: Floats) -> Interval:
    low, high = np.percentile(values, [2.5, 97.5]).tolist()
    return low, high
