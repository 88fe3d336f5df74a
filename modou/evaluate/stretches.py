"""Comparison of long stretches of two sequences by hashes, in time that does not depend on their length.

h(i, n) = sum over k < n of s[i + k] B^k mod 2^64, from prefix sums (Karp and Rabin, Efficient Randomized
Pattern-Matching Algorithms, 1987).
"""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_BITS = 16
_LOW = (1 << _BITS) - 1


class Stretches:
    """The hashes of all stretches of a sequence of integers."""

    def __init__(self, symbols: npt.NDArray[np.int32]) -> None:
        count = len(symbols)
        self._sums = np.zeros(count + 1, np.uint64)
        np.cumsum(symbols.astype(np.uint64) * _powers(_BASE, count), out=self._sums[1:])
        # Two short tables hold B^-i for every i.
        self._ones = _powers(_INVERSE, _LOW + 1)
        self._many = _powers(pow(_INVERSE, 1 << _BITS, 1 << 64), (count >> _BITS) + 1)

    def __len__(self) -> int:
        return len(self._sums) - 1

    def hashes(self, start: Integers, length: Integers) -> Hashes:
        """The hash of each stretch; both arrays of one shape."""
        return (self._sums[start + length] - self._sums[start]) * self._many[start >> _BITS] * self._ones[start & _LOW]


def _powers(base: int, count: int) -> Hashes:
    """base^0 .. base^(count - 1) mod 2^64."""
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers, dtype=np.uint64)


def common_lengths(one: Stretches, start: Integers, other: Stretches, beginning: Integers, step: int) -> Integers:
    """Length of the longest common prefix of each pair of suffixes: of `one` from start, of `other` from beginning. The
    first comparison takes `step` symbols; it doubles after each match."""
    length = np.zeros_like(start)
    room = np.minimum(len(one) - start, len(other) - beginning)
    active, steps = np.arange(len(start)), np.full(len(start), step)
    while len(active):
        known = length[active]
        take = np.minimum(steps, room[active] - known)
        same = (take > 0) & (one.hashes(start[active] + known, take) == other.hashes(beginning[active] + known, take))
        length[active] += np.where(same, take, 0)
        steps = np.where(same, 2 * steps, steps // 2)
        active, steps = active[steps > 0], steps[steps > 0]
    return length
