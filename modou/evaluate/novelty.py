"""Memory against novelty: how much of a text stands word for word in the training text.

* n-novelty curve: the share of n-grams, n = 1 .. 50, absent from the training text (Merrill et al., Evaluating n-Gram
  Novelty of Language Models Using Rusty-DAWG, 2024);
* longest copy, with its chapter and text (McCoy et al., How Much Do Language Models Copy, 2021);
* copied coverage: the share of characters inside a match of at least k characters, where k is the least at which
  less than 1 % of held-out human text would count as copied (formulas and verses are human too).

A figure means something only beside its twins: held-out chapters and an n-gram model's samples of equal length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modou.evaluate.subsample import Subsample, subsample
from modou.evaluate.suffixes import SuffixArray

Integers = npt.NDArray[np.int64]

LONGEST_GRAM = 50
HUMAN_COVERAGE = 0.01


@dataclass(frozen=True)
class Copy:
    """The longest passage that stands in the training text too (its first such place)."""

    length: int
    text: str
    chapter: int
    """Which of the training texts given, from 0."""
    offset: int
    """Which character of that chapter, from 0."""
    sample: int
    """Which of the texts examined, from 0."""

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Novelty:
    """What `TrainText.novelty` found in some texts together."""

    curve: tuple[float, ...]
    """Share of n-grams absent from the training text for n = 1, 2, ...; ends where no text is n long."""
    longest: Copy | None
    """None: not one character stands in the training text."""
    coverage: float
    """Share of characters inside a match of at least `coverage_length` characters."""
    coverage_length: int
    characters: int
    texts: int
    train: Subsample
    """How much training text it was compared with."""

    def to_json(self) -> dict[str, Any]:
        return {
            "novel_share_by_n": list(self.curve),
            "longest_copy": self.longest.to_json() if self.longest else None,
            "copied": {"share": self.coverage, "at_least": self.coverage_length},
            "characters": self.characters,
            "texts": self.texts,
            "train": self.train.to_json(),
        }


class TrainText:
    """The training text, indexed once; of more than 20 MB a part (`used` says how much)."""

    def __init__(self, texts: Sequence[str]) -> None:
        """ValueError: no text."""
        self.used: Subsample = subsample(texts)
        self._suffixes = SuffixArray(self.used.texts)

    def match_lengths(self, text: str) -> Integers:
        """(len(text),): length of the longest match with the training text that starts at each character."""
        return self._suffixes.match_lengths(text)

    def coverage_length(self, held_out: Sequence[str]) -> int:
        """The least k at which less than 1 % of `held_out` lies inside a match of k characters or more."""
        inside = np.concatenate([np.zeros(0, np.int64), *(inside_match(self.match_lengths(t)) for t in held_out)])
        if len(inside) == 0:
            return 1
        # The share of characters inside a match of k or more falls with k: sorted lengths give it at once.
        longest_first = np.sort(inside)[::-1]
        return int(longest_first[int(np.ceil(HUMAN_COVERAGE * len(inside))) - 1]) + 1

    def novelty(self, texts: Sequence[str], coverage_length: int) -> Novelty:
        """Examines `texts` (samples, or held-out chapters) together; `coverage_length` as calibrated."""
        lengths = [self.match_lengths(text) for text in texts]
        inside = [inside_match(each) for each in lengths]
        characters = sum(len(text) for text in texts)
        covered = sum(int((each >= coverage_length).sum()) for each in inside)
        return Novelty(
            curve=novelty_curve(lengths),
            longest=self._longest(texts, lengths),
            coverage=covered / max(1, characters),
            coverage_length=coverage_length,
            characters=characters,
            texts=len(texts),
            train=self.used,
        )

    def longest(self, texts: Sequence[str]) -> Copy | None:
        """The longest passage of `texts` that stands in the training text. None: not one character does."""
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
    """For each character the length of the longest match it lies in, from those that start at each."""
    result = np.zeros(len(lengths), np.int64)
    # Longest last: a longer match overwrites a shorter one.
    for start in np.argsort(lengths, kind="stable").tolist():
        result[start : start + lengths[start]] = lengths[start]
    return result


def novelty_curve(lengths: Sequence[Integers], longest_gram: int = LONGEST_GRAM) -> tuple[float, ...]:
    """Share of n-grams, n = 1 .. `longest_gram`, whose match is shorter than they are."""
    curve: list[float] = []
    for n in range(1, longest_gram + 1):
        starts = [each[: len(each) - n + 1] for each in lengths if len(each) >= n]
        total = sum(len(each) for each in starts)
        if total == 0:
            break
        curve.append(sum(int((each < n).sum()) for each in starts) / total)
    return tuple(curve)
