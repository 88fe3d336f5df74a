"""Passages that held-out text shares with training text: what a model may know by heart.

Every stretch of `least` characters of the held-out texts is hashed. Where one of them is met in a training text for
the first time, the passage around it is extended as far as both agree. Stretches inside a passage that was found need
not be met again, so that the work grows with the length of the texts, however often they repeat themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

LEAST = 30
"""Characters: shorter passages are chance and idiom."""
LIMIT = 20_000_000
"""Characters of training text that are looked through."""
_PIECE = 1 << 21
_BASE = np.uint64(0x9E3779B97F4A7C15)
_SIEVE = 24
"""Bits of a hash that are looked up before the whole: nearly all of a training text is passed over by them."""
_STEP = 64
"""Characters compared at once at first; twice as many after each agreement."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Overlap:
    """All shared passages, longest first; `characters` of the held-out text lie in one."""

    passages: tuple[str, ...]
    characters: int


class _Stretches:
    """All stretches of `width` characters of the held-out texts, and the passages found so far."""

    def __init__(self, texts: list[str], width: int) -> None:
        self.texts, self.width = texts, width
        hashes = [_hashes(text, width) for text in texts]
        self._first = list(accumulate((len(found) for found in hashes), initial=0))
        whole = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
        self._order = np.argsort(whole, kind="stable")
        self._keys, self._begin = np.unique(whole[self._order], return_index=True)
        self._end = np.append(self._begin[1:], len(whole))
        self._met = np.zeros(len(self._keys), dtype=bool)
        self._covered = np.zeros(len(whole), dtype=bool)
        self._sieve = np.zeros(1 << _SIEVE, dtype=bool)
        self._sieve[_low_bits(self._keys)] = True
        self.spans: list[list[tuple[int, int]]] = [[] for _ in texts]

    def __len__(self) -> int:
        return len(self._keys)

    def look_through(self, line: str) -> None:
        """Finds the passages of a training text."""
        hashes = _hashes(line, self.width)
        places = np.flatnonzero(self._sieve[_low_bits(hashes)])
        keys = np.minimum(np.searchsorted(self._keys, hashes[places]), len(self._keys) - 1)
        known = (self._keys[keys] == hashes[places]) & ~self._met[keys]
        new, first = np.unique(keys[known], return_index=True)
        at = places[known][first]
        self._met[new] = True
        for n in np.argsort(at, kind="stable").tolist():
            key = int(new[n])
            for stretch in self._order[self._begin[key] : self._end[key]].tolist():
                if not self._covered[stretch]:
                    self._extend(stretch, line, int(at[n]))

    def _extend(self, stretch: int, line: str, at: int) -> None:
        """Notes the longest passage around a stretch that stands at `at` of a training text."""
        number = int(np.searchsorted(self._first, stretch, side="right")) - 1
        text, start = self.texts[number], stretch - self._first[number]
        after = _agreeing(text, start, line, at)
        if after < self.width:  # the hashes agreed by chance
            return
        before = _agreeing_before(text, start, line, at)
        low, high = start - before, start + after
        self.spans[number].append((low, high))
        self._covered[self._first[number] + low : self._first[number] + high - self.width + 1] = True


def find_overlap(train: Iterable[str], held_out: Iterable[str], least: int = LEAST) -> Overlap:
    """Maximal passages of at least `least` characters that stand in a held-out text and in a training text."""
    stretches = _Stretches(list(held_out), least)
    if not len(stretches):
        return Overlap((), 0)
    searched = 0
    for line in _pieces(train):
        if searched >= LIMIT:
            break
        searched += len(line)
        stretches.look_through(line)
    return _collect(stretches.texts, stretches.spans)


def _hashes(line: str, width: int) -> Hashes:
    """A 64-bit hash of every stretch of `width` characters."""
    if len(line) < width:
        return np.empty(0, dtype=np.uint64)
    codes = np.frombuffer(line.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    count = len(codes) - width + 1
    total = np.zeros(count, dtype=np.uint64)
    for place in range(width):
        total = total * _BASE + codes[place : place + count]
    return total ^ (total >> np.uint64(29))


def _low_bits(hashes: Hashes) -> NDArray[np.int64]:
    return (hashes & np.uint64((1 << _SIEVE) - 1)).astype(np.int64)


def _pieces(train: Iterable[str]) -> Iterable[str]:
    """Training texts; a huge one in pieces that overlap, so that hashes stay small."""
    for line in train:
        for start in range(0, max(1, len(line)), _PIECE):
            yield line[start : start + _PIECE + 1000]


def _agreeing(one: str, i: int, other: str, j: int) -> int:
    """How many characters agree from one[i] and other[j] on."""
    length, step = 0, _STEP
    while step:
        take = min(step, len(one) - i - length, len(other) - j - length)
        if take and one[i + length : i + length + take] == other[j + length : j + length + take]:
            length, step = length + take, 2 * step
        else:
            step //= 2
    return length


def _agreeing_before(one: str, i: int, other: str, j: int) -> int:
    """How many characters agree before one[i] and other[j]."""
    length, step = 0, 1
    while step:
        take = min(step, i - length, j - length)
        if take and one[i - length - take : i - length] == other[j - length - take : j - length]:
            length, step = length + take, 2 * step
        else:
            step //= 2
    return length


def _collect(tests: list[str], covered: list[list[tuple[int, int]]]) -> Overlap:
    passages: list[str] = []
    characters = 0
    for text, spans in zip(tests, covered, strict=True):
        reached, found = 0, set[str]()
        for start, end in sorted(set(spans), key=lambda span: (span[0], -span[1])):
            if end > reached:
                found.add(text[start:end])
                characters += end - max(start, reached)
                reached = end
        passages += found
    return Overlap(tuple(sorted(passages, key=lambda passage: (-len(passage), passage))), characters)
