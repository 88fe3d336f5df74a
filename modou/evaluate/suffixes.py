"""Suffix array by prefix doubling, and the longest match starting at every character of a query.

Source: Manber and Myers, Suffix Arrays, SIAM Journal on Computing 22, 1993.

Shapes: Q positions of the query, S characters compared at once.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from modou.evaluate.counts import code_points, find
from modou.evaluate.stretches import Stretches, common_lengths

Integers = npt.NDArray[np.int64]

ABSENT, BOUNDARY, FIRST_CHARACTER = 0, 1, 2
STRIDE = 8
LONG = 64
"""Characters compared one by one; longer matches, which repeated text is full of, are compared by hashes."""
QUERY_PLACES = 1 << 16  # searched at once


class _Symbols:
    """A text as symbols, followed by STRIDE marks, and the hashes of its stretches."""

    def __init__(self, parts: Sequence[npt.NDArray[np.int32]], mark: int) -> None:
        self.array = np.concatenate([*parts, np.full(STRIDE, mark, np.int32)])

    @cached_property
    def stretches(self) -> Stretches:
        return Stretches(self.array)


class SuffixArray:
    """All suffixes of some texts, sorted. Matches do not span two texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        assert texts
        points = [code_points(text) for text in texts]
        self._alphabet = np.unique(np.concatenate(points))
        parts = [np.append(self._symbols_of(text), np.int32(BOUNDARY)) for text in points]
        self._suffixes = sort_suffixes(np.concatenate(parts))
        self._symbols = _Symbols(parts, BOUNDARY)

    def match_lengths(self, query: str) -> Integers:
        """(len(query),): length of the longest match starting at each character of `query`."""
        symbols = _Symbols([self._symbols_of(code_points(query))], ABSENT)
        parts = [
            self._search(symbols, np.arange(first, min(first + QUERY_PLACES, len(query))))
            for first in range(0, len(query), QUERY_PLACES)
        ]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def _symbols_of(self, points: Integers) -> npt.NDArray[np.int32]:
        place = find(self._alphabet, points)
        return np.where(place < 0, ABSENT, place + FIRST_CHARACTER).astype(np.int32)

    def _search(self, symbols: _Symbols, query_Q: Integers) -> Integers:
        """Binary search of all positions at once; the longest match is with a neighbour of the insertion point.

        Every suffix between two bounds shares with the query the prefix that both bounds share, so comparisons start
        after it.
        """
        below_Q = np.full(len(query_Q), -1)
        above_Q = np.full(len(query_Q), len(self._suffixes))
        shared_below_Q, shared_above_Q = np.zeros_like(query_Q), np.zeros_like(query_Q)
        while (above_Q - below_Q > 1).any():
            # A finished search compares its lower bound again, without effect.
            middle_Q = np.maximum((below_Q + above_Q) // 2, 0)
            suffix_Q = self._suffixes[middle_Q].astype(np.int64)
            shared_Q = self._shared(symbols, suffix_Q, query_Q, np.minimum(shared_below_Q, shared_above_Q))
            smaller_Q = self._symbols.array[suffix_Q + shared_Q] < symbols.array[query_Q + shared_Q]
            below_Q = np.where(smaller_Q, middle_Q, below_Q)
            shared_below_Q = np.where(smaller_Q, shared_Q, shared_below_Q)
            above_Q = np.where(smaller_Q, above_Q, middle_Q)
            shared_above_Q = np.where(smaller_Q, shared_above_Q, shared_Q)
        return np.maximum(shared_below_Q, shared_above_Q)

    def _shared(self, symbols: _Symbols, suffix_Q: Integers, query_Q: Integers, known_Q: Integers) -> Integers:
        """(Q,) length of the common prefix of suffix and query, of which `known_Q` characters are known."""
        shared_Q = known_Q.copy()
        active = np.arange(len(query_Q))
        ahead_S = np.arange(STRIDE)
        for _ in range(LONG // STRIDE):
            if not len(active):
                return shared_Q
            ours_QS = self._symbols.array[(suffix_Q[active] + shared_Q[active])[:, None] + ahead_S]
            theirs_QS = symbols.array[(query_Q[active] + shared_Q[active])[:, None] + ahead_S]
            differ_QS = ours_QS != theirs_QS
            differ_Q = differ_QS.any(axis=1)
            shared_Q[active] += np.where(differ_Q, differ_QS.argmax(axis=1), STRIDE)
            active = active[~differ_Q]
        ours_Q, theirs_Q = suffix_Q[active] + shared_Q[active], query_Q[active] + shared_Q[active]
        shared_Q[active] += common_lengths(self._symbols.stretches, ours_Q, symbols.stretches, theirs_Q, LONG)
        return shared_Q


def sort_suffixes(symbols: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Start indices of the suffixes of `symbols` (integers >= 1) in lexicographic order."""
    count = len(symbols)
    bits = int(symbols.max()).bit_length()
    sorted_by = 62 // bits
    key = np.zeros(count, np.int64)
    for ahead in range(sorted_by):
        key <<= bits
        key[: max(0, count - ahead)] |= symbols[ahead:]
    suffixes = np.argsort(key).astype(np.int32)
    rank = np.empty(count, np.int32)
    slots = np.arange(count, dtype=np.int32)
    key = key[suffixes]
    while True:
        # Suffixes with equal keys are adjacent; the first slot of such a group is the rank of its members.
        fresh = np.ones(len(slots), np.bool_)
        fresh[1:] = key[1:] != key[:-1]
        group = np.maximum.accumulate(np.where(fresh, slots, 0))
        rank[suffixes[slots]] = group
        alone = fresh & np.append(fresh[1:], True)
        slots = slots[~alone]
        if len(slots) == 0:
            return suffixes
        unsorted = suffixes[slots]
        beyond = unsorted.astype(np.int64) + sorted_by
        next_rank = np.where(beyond < count, rank[np.minimum(beyond, count - 1)], -1)
        key = rank[unsorted].astype(np.int64) * (count + 1) + next_rank + 1
        order = np.argsort(key)
        suffixes[slots] = unsorted[order]
        key = key[order]
        sorted_by *= 2
