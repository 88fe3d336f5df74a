"""Passages that held-out text shares with training text: what a model may know by heart.

Every shared passage of `least` characters holds a whole anchor of half that length that begins at a multiple of the
other half in the held-out text. So only those anchors are looked up, at every position of the training text.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 30
"""Characters: shorter passages are chance and idiom."""
LIMIT = 20_000_000
"""Characters of training text that are looked through."""
_PIECE = 1 << 21
_BASE = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Passage:
    """A passage found on both sides: its text, and the held-out text (from 0) that it stands in."""

    text: str
    held_out: int


@dataclass(frozen=True)
class Overlap:
    """All shared passages, longest first; `characters` of the held-out text lie in one."""

    passages: tuple[Passage, ...]
    characters: int
    searched: int
    """Characters of training text that were looked through."""


def find_overlap(train: Iterable[str], held_out: Iterable[str], least: int = LEAST) -> Overlap:
    """Maximal passages of at least `least` characters that stand in a held-out text and in a training text."""
    width, stride = least - least // 2, least // 2 + 1
    tests = list(held_out)
    anchors = [(text, at) for text, line in enumerate(tests) for at in range(0, len(line) - width + 1, stride)]
    if not anchors:
        return Overlap((), 0, 0)
    keys = np.concatenate([_hashes(line, width)[::stride] for line in tests])
    order = np.argsort(keys, kind="stable")
    keys_sorted = keys[order]
    covered: list[list[tuple[int, int]]] = [[] for _ in tests]
    searched = 0
    for line in _pieces(train):
        if searched >= LIMIT:
            break
        searched += len(line)
        hashes = _hashes(line, width)
        low = np.searchsorted(keys_sorted, hashes)
        low[low == len(keys_sorted)] = 0
        for at in np.flatnonzero(keys_sorted[low] == hashes).tolist():
            key = int(low[at])
            while key < len(keys_sorted) and keys_sorted[key] == hashes[at]:
                text, start = anchors[int(order[key])]
                key += 1
                if not _inside(covered[text], start, start + width):
                    span = _extend(tests[text], start, line, at, width)
                    if span and span[1] - span[0] >= least:
                        covered[text].append(span)
    return _collect(tests, covered, searched)


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


def _pieces(train: Iterable[str]) -> Iterable[str]:
    """Training texts; a huge one in pieces that overlap, so that hashes stay small."""
    for line in train:
        for start in range(0, max(1, len(line)), _PIECE):
            yield line[start : start + _PIECE + 1000]


def _inside(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    return any(low <= start and end <= high for low, high in spans[-4:])


def _extend(test: str, start: int, train: str, at: int, width: int) -> tuple[int, int] | None:
    """The longest common stretch around an anchor, or None where the hashes agreed by chance."""
    if test[start : start + width] != train[at : at + width]:
        return None
    end, other = start + width, at + width
    while end < len(test) and other < len(train) and test[end] == train[other]:
        end, other = end + 1, other + 1
    while start > 0 and at > 0 and test[start - 1] == train[at - 1]:
        start, at = start - 1, at - 1
    return start, end


def _collect(tests: list[str], covered: list[list[tuple[int, int]]], searched: int) -> Overlap:
    passages: set[Passage] = set()
    characters = 0
    for index, spans in enumerate(covered):
        reached = 0
        for start, end in sorted(set(spans), key=lambda span: (span[0], -span[1])):
            if end > reached:
                passages.add(Passage(tests[index][start:end], index))
                characters += end - max(start, reached)
                reached = end
    ordered = sorted(passages, key=lambda item: (-len(item.text), item.held_out, item.text))
    return Overlap(tuple(ordered), characters, searched)
