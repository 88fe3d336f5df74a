"""Contamination: passages that occur in both training and held-out text.

Every window of `least` characters of the held-out texts is hashed. At its first occurrence in a training text the match
is extended in both directions. A window inside a match is not extended again, so the cost is linear in the length of
the texts, however repetitive they are.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

LEAST = 30
"""Minimum length of a passage in characters: shorter ones are coincidence and idiom."""
LIMIT = 20_000_000
"""Maximum number of characters of training text searched."""
BATCH = 2_000_000
"""Characters of held-out text that are compared at a time; each takes about 60 bytes."""
_PIECE = 1 << 21
_BASE = np.uint64(0x9E3779B97F4A7C15)
_SIEVE = 24
"""Bits of a hash that index a bitmap, which rejects nearly all windows of a training text before the exact lookup."""
_STEP = 64
"""Characters in the first comparison; doubled after each match."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Overlap:
    """Shared passages, longest first, and the number of held-out characters they cover."""

    passages: tuple[str, ...]
    characters: int


class _Windows:
    """All windows of `width` characters of the held-out texts, and the passages found so far."""

    def __init__(self, texts: list[str], width: int) -> None:
        self.texts, self.width = texts, width
        hashes = [_hashes(text, width) for text in texts]
        self._first = list(accumulate((len(found) for found in hashes), initial=0))
        whole = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
        self._order = np.argsort(whole, kind="stable")
        self._keys, self._begin = np.unique(whole[self._order], return_index=True)
        self._end = np.append(self._begin[1:], len(whole))
        self._found = np.zeros(len(self._keys), dtype=bool)
        self._covered = np.zeros(len(whole), dtype=bool)
        self._sieve = np.zeros(1 << _SIEVE, dtype=bool)
        self._sieve[_low_bits(self._keys)] = True
        self.spans: list[list[tuple[int, int]]] = [[] for _ in texts]

    def __len__(self) -> int:
        return len(self._keys)

    def search(self, line: str) -> None:
        """Add the passages that occur in a training text."""
        hashes = _hashes(line, self.width)
        places = np.flatnonzero(self._sieve[_low_bits(hashes)])
        keys = np.minimum(np.searchsorted(self._keys, hashes[places]), len(self._keys) - 1)
        known = (self._keys[keys] == hashes[places]) & ~self._found[keys]
        new, first = np.unique(keys[known], return_index=True)
        at = places[known][first]
        self._found[new] = True
        for n in np.argsort(at, kind="stable").tolist():
            key = int(new[n])
            for window in self._order[self._begin[key] : self._end[key]].tolist():
                if not self._covered[window]:
                    self._extend(window, line, int(at[n]))

    def _extend(self, window: int, line: str, at: int) -> None:
        """Add the maximal match around a window that occurs at `at` in a training text."""
        number = int(np.searchsorted(self._first, window, side="right")) - 1
        text, start = self.texts[number], window - self._first[number]
        after = _match_after(text, start, line, at)
        if after < self.width:  # hash collision
            return
        before = _match_before(text, start, line, at)
        low, high = start - before, start + after
        self.spans[number].append((low, high))
        self._covered[self._first[number] + low : self._first[number] + high - self.width + 1] = True


def find_overlap(train: Iterable[str], held_out: Iterable[str], least: int = LEAST) -> Overlap:
    """Find the maximal passages of at least `least` characters that occur in a held-out and in a training text."""
    windows = _Windows(list(held_out), least)
    if not len(windows):
        return Overlap((), 0)
    searched = 0
    for line in _pieces(train):
        if searched >= LIMIT:
            break
        searched += len(line)
        windows.search(line)
    return _collect(windows.texts, windows.spans)


def batches(texts: Iterable[str], characters: int = BATCH) -> Iterator[list[str]]:
    """The texts in order, in lists of about `characters`, of which one after the other fits into memory."""
    batch, size = list[str](), 0
    for text in texts:
        if size + len(text) > characters and batch:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _hashes(line: str, width: int) -> Hashes:
    """A 64-bit hash of every window of `width` characters."""
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
    """Training texts; a huge one in overlapping pieces, so that the array of hashes stays small."""
    for line in train:
        for start in range(0, max(1, len(line)), _PIECE):
            yield line[start : start + _PIECE + 1000]


def _match_after(one: str, i: int, other: str, j: int) -> int:
    """Number of equal characters from one[i] and other[j] on."""
    length, step = 0, _STEP
    while step:
        take = min(step, len(one) - i - length, len(other) - j - length)
        if take and one[i + length : i + length + take] == other[j + length : j + length + take]:
            length, step = length + take, 2 * step
        else:
            step //= 2
    return length


def _match_before(one: str, i: int, other: str, j: int) -> int:
    """Number of equal characters before one[i] and other[j]."""
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
