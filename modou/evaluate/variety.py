"""Diversity and repetition of texts, measured on pieces of equal length.

* distinct-n: different n-grams / n-grams over all pieces (Li et al., 2016); depends on length and number of pieces.
* seq-rep-4: 1 − different 4-grams / 4-grams within a piece, mean over pieces (Welleck et al., 2020).
* loop rate: share of pieces that end in a cycle of at most 50 characters, repeated at least three times.
* quote balance: share of quotation marks and brackets that are matched.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modou.evaluate.intervals import Interval, wilson_interval

LONGEST_PERIOD = 50
LEAST_REPEATS = 3
PAIRS = {"“": "”", "‘": "’", "「": "」", "『": "』", "《": "》"}


@dataclass(frozen=True)
class Rate:
    """A share of pieces."""

    share: float
    """Between 0 and 1."""
    interval: Interval
    """Wilson's 95 % interval [low, high]."""


@dataclass(frozen=True)
class Variety:
    """Diversity and repetition of pieces of equal length."""

    pieces: int
    """Number of pieces."""
    length: int
    """Characters of each piece."""
    distinct: dict[str, float]
    """Different n-grams ÷ all, for n = "1", "2", "3"."""
    seq_rep_4: float
    """Share of the 4-grams of a piece that it repeats, mean over pieces."""
    loop_rate: Rate
    """Pieces that end in a cycle."""
    quote_balance: float | None
    """Share of quotation marks and brackets that are matched; null: there is none."""


def variety(samples: Sequence[str], length: int | None = None) -> Variety | None:
    """The measures of all samples of at least `length` characters (None: the shortest one's), truncated to it.

    Only results for the same `length` and number of samples are comparable. None: no such sample, or `length` < 4.
    """
    length = min(map(len, samples), default=0) if length is None else length
    pieces = [sample[:length] for sample in samples if len(sample) >= length]
    if not pieces or length < 4:
        return None
    loops = sum(ends_in_loop(piece) for piece in pieces)
    interval = wilson_interval(loops, len(pieces))
    assert interval is not None
    return Variety(
        pieces=len(pieces),
        length=length,
        distinct={str(n): distinct(pieces, n) for n in (1, 2, 3)},
        seq_rep_4=sum(1 - distinct([piece], 4) for piece in pieces) / len(pieces),
        loop_rate=Rate(loops / len(pieces), interval),
        quote_balance=quote_balance(pieces),
    )


def human_slices(texts: Sequence[str], length: int, count: int, seed: int = 0) -> list[str]:
    """At most `count` random non-overlapping slices of `length` characters, each within one text."""
    slots = [(text, start) for text in texts for start in range(0, len(text) - length + 1, length)]
    chosen = np.random.default_rng(seed).permutation(len(slots))[:count]
    return [slots[place][0][slots[place][1] : slots[place][1] + length] for place in sorted(chosen.tolist())]


def distinct(pieces: Sequence[str], n: int) -> float:
    """Distinct-n over all `pieces`, one of which has n characters; n-grams do not span two pieces."""
    grams = [piece[start : start + n] for piece in pieces for start in range(len(piece) - n + 1)]
    return len(set(grams)) / len(grams)


def ends_in_loop(piece: str) -> bool:
    """Whether `piece` ends in a cycle of at most 50 characters run through at least three times."""
    return any(
        len(piece) >= LEAST_REPEATS * period and piece[-LEAST_REPEATS * period :] == piece[-period:] * LEAST_REPEATS
        for period in range(1, LONGEST_PERIOD + 1)
    )


def quote_balance(pieces: Sequence[str]) -> float | None:
    """Matched marks / all marks; a mark is matched if it is closed before the same kind opens again.

    Pieces may begin or end inside a quotation, so compare with human text, not with 1.
    """
    matched = marks = 0
    for piece in pieces:
        for opening, closing in PAIRS.items():
            is_open = False
            for character in piece:
                if character == opening:
                    marks, is_open = marks + 1, True
                elif character == closing:
                    matched, marks, is_open = matched + 2 * is_open, marks + 1, False
    return matched / marks if marks else None
