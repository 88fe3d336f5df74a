"""Memorisation: how much of a text occurs verbatim in the training text.

* n-novelty curve: share of n-grams, n = 1 .. 50, absent from the training text (Merrill et al., Evaluating n-Gram
  Novelty of Language Models Using Rusty-DAWG, 2024);
* longest copy (McCoy et al., How Much Do Language Models Copy, 2021);
* copied coverage: share of characters inside a match of at least k characters, where k is the least value at which less
  than 1 % of held-out human text counts as copied.

Compare with the same figures for held-out chapters and n-gram samples of equal length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modou.evaluate.subsample import Extent, Subsample, subsample
from modou.evaluate.suffixes import SuffixArray

Integers = npt.NDArray[np.int64]

LONGEST_GRAM = 50
HUMAN_COVERAGE = 0.01


@dataclass(frozen=True)
class Copy:
    """The longest passage that also occurs in the training text (first occurrence)."""

    length: int
    """Characters."""
    text: str
    """The passage."""
    chapter: int
    """Index of the training text, from 0."""
    offset: int
    """Index of its first character within that text."""
    sample: int
    """Index of the examined text, from 0."""


@dataclass(frozen=True)
class Copied:
    """Copied coverage."""

    share: float
    """Share of characters inside a passage of `at_least` characters that occurs in the training text."""
    at_least: int
    """Characters; by this measure less than 1 % of the held-out text is copied."""


@dataclass(frozen=True)
class Novelty:
    """How much of some texts occurs in the training text."""

    novel_share_by_n: tuple[float, ...]
    """Share of n-grams absent from the training text for n = 1, 2, …, up to the longest text or 50."""
    longest_copy: Copy | None
    """Null: no character occurs in the training text."""
    copied: Copied
    """Copied coverage."""
    characters: int
    """Characters of the texts."""
    texts: int
    """Number of texts."""
    train: Extent
    """Training text that was searched."""


class TrainText:
    """A suffix array of the training text, or of 20 MB of it (`used`)."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.used: Subsample = subsample(texts)
        self._suffixes = SuffixArray(self.used.texts)

    def match_lengths(self, text: str) -> Integers:
        """(len(text),): length of the longest match with the training text starting at each character."""
        return self._suffixes.match_lengths(text)

    def coverage_length(self, held_out: Sequence[str]) -> int:
        """The least k at which less than 1 % of `held_out` lies inside matches of at least k characters."""
        inside = np.concatenate([np.zeros(0, np.int64), *(inside_match(self.match_lengths(t)) for t in held_out)])
        if len(inside) == 0:
            return 1
        # That share decreases with k, so k follows from a quantile of the sorted lengths.
        longest_first = np.sort(inside)[::-1]
        return int(longest_first[int(np.ceil(HUMAN_COVERAGE * len(inside))) - 1]) + 1

    def novelty(self, texts: Sequence[str], coverage_length: int) -> Novelty:
        """The measures of `texts` together; `coverage_length`: k, as calibrated on held-out text."""
        lengths = [self.match_lengths(text) for text in texts]
        inside = [inside_match(each) for each in lengths]
        characters = sum(len(text) for text in texts)
        covered = sum(int((each >= coverage_length).sum()) for each in inside)
        return Novelty(
            novel_share_by_n=novelty_curve(lengths),
            longest_copy=self._longest(texts, lengths),
            copied=Copied(covered / max(1, characters), coverage_length),
            characters=characters,
            texts=len(texts),
            train=self.used.extent,
        )

    def longest(self, texts: Sequence[str]) -> Copy | None:
        """The longest passage of `texts` that occurs in the training text. None: no character does."""
        return self._longest(texts, [self.match_lengths(text) for text in texts])

    def _longest(self, texts: Sequence[str], lengths: Sequence[Integers]) -> Copy | None:
        longest = [int(each.max(initial=0)) for each in lengths]
        length = max(longest, default=0)
        if length == 0:
            return None
        sample = longest.index(length)
        start = int(lengths[sample].argmax())
        text = texts[sample][start : start + length]
        places = zip(self.used.places, self.used.texts, strict=True)
        chapter, offset = next((place, at.find(text)) for place, at in places if text in at)
        return Copy(length, text, chapter, offset, sample)


def inside_match(lengths: Integers) -> Integers:
    """For each character, the length of the longest match that covers it; `lengths`: matches by first character."""
    longest = np.zeros(len(lengths), np.int64)
    # A value holds for the 2^k characters from its place on; each match is two such stretches, which may overlap.
    level = np.frexp(lengths.astype(np.float64))[1] - 1
    for k in range(int(level.max(initial=-1)), -1, -1):
        size = 1 << k
        longest[size:] = np.maximum(longest[size:], longest[:-size])  # from 2^(k + 1) characters to twice 2^k
        starts = np.flatnonzero((level == k) & (lengths > 0))
        np.maximum.at(longest, np.concatenate([starts, starts + lengths[starts] - size]), np.tile(lengths[starts], 2))
    return longest


def novelty_curve(lengths: Sequence[Integers], longest_gram: int = LONGEST_GRAM) -> tuple[float, ...]:
    """Share of n-grams, n = 1 .. `longest_gram`, whose longest match is shorter than n."""
    curve: list[float] = []
    for n in range(1, longest_gram + 1):
        starts = [each[: len(each) - n + 1] for each in lengths if len(each) >= n]
        total = sum(len(each) for each in starts)
        if total == 0:
            break
        curve.append(sum(int((each < n).sum()) for each in starts) / total)
    return tuple(curve)
