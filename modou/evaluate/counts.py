"""Character n-gram counts as sorted integer keys, for vectorised lookup.

An n-gram of level k is a context (the k-1 preceding symbols) and a symbol. Contexts are numbered level by level:
key = symbol k-1 positions back × number of contexts of level k-1 + index of the shorter context (fits in 64 bits).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

PAD, END, UNKNOWN = 0, 1, 2
FIRST_CHARACTER = 3


@dataclass(frozen=True, eq=False)
class Level:
    """The n-grams of one length: sorted keys of contexts and n-grams, and two counts of each n-gram."""

    context_keys: Integers
    gram_keys: Integers
    seen: Integers
    """Number of occurrences."""
    left_neighbours: Integers
    """Continuation count: number of different symbols that precede it; empty on the highest level."""


@dataclass(frozen=True, eq=False)
class Counts:
    """N-grams of length 1, 2, ... of some texts. `alphabet`: sorted code points; symbol = index + FIRST_CHARACTER."""

    alphabet: Integers
    levels: tuple[Level, ...]

    @property
    def symbols(self) -> int:
        """Number of symbols: start mark, end mark, unknown and the alphabet."""
        return len(self.alphabet) + FIRST_CHARACTER


def code_points(text: str) -> Integers:
    """(len(text),) Unicode code points."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)


def symbols_of(text: str, alphabet: Integers) -> Integers:
    """`text` as symbols; a character outside the alphabet is UNKNOWN."""
    place = find(alphabet, code_points(text))
    return np.where(place < 0, UNKNOWN, place + FIRST_CHARACTER)


def find(keys: Integers, wanted: Integers) -> Integers:
    """Index of each wanted key in the sorted unique `keys`, -1 where absent."""
    if len(keys) == 0:
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def count_grams(texts: Sequence[str], order: int) -> Counts:
    """N-grams of length 1 .. `order`; each text is preceded by `order` start marks and followed by an end mark."""
    alphabet = np.unique(np.concatenate([np.unique(code_points(text)) for text in texts]))
    parts: list[Integers] = []
    for text in texts:
        parts += [np.full(order, PAD), symbols_of(text, alphabet), np.array([END])]
    stream = np.concatenate(parts)
    # Start marks are only ever context, never predicted.
    positions = np.flatnonzero(stream != PAD)
    symbols = len(alphabet) + FIRST_CHARACTER

    context = np.zeros(len(positions), np.int64)
    context_keys = np.zeros(1, np.int64)
    found: list[tuple[Integers, Integers, Integers]] = []
    left_neighbours: list[Integers] = []
    shorter_gram = np.zeros(0, np.int64)
    for length in range(1, order + 1):
        if length > 1:
            key = stream[positions - (length - 1)] * len(context_keys) + context
            context_keys, context, _ = number(key)
        gram_keys, gram, example = number(context * symbols + stream[positions])
        if length > 1:
            # One occurrence of each longer n-gram: each (left neighbour, shorter n-gram) is counted once.
            left_neighbours.append(np.bincount(shorter_gram[example]))
        shorter_gram = gram
        found.append((context_keys, gram_keys, np.bincount(gram)))
    left_neighbours.append(np.zeros(0, np.int64))
    return Counts(alphabet, tuple(Level(*level, left) for level, left in zip(found, left_neighbours, strict=True)))


def number(keys: Integers) -> tuple[Integers, Integers, Integers]:
    """(sorted unique keys, index of each of `keys` among them, index of one occurrence of each unique key)."""
    order = np.argsort(keys)
    in_order = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = in_order[1:] != in_order[:-1]
    numbers = np.empty(len(keys), np.int64)
    numbers[order] = np.cumsum(first) - 1
    return in_order[first], numbers, order[first]
