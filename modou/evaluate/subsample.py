"""As much of a large corpus as the exact, in-memory comparisons (n-grams, compressor, novelty) read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LIMIT_BYTES = 20_000_000


@dataclass(frozen=True)
class Subsample:
    """The texts that are used, in their order, and how much of the whole they are (bytes of UTF-8)."""

    texts: tuple[str, ...] = field(repr=False)
    places: tuple[int, ...] = field(repr=False)
    """Which of the texts given each one is, from 0."""
    used_bytes: int
    total_bytes: int

    @property
    def whole(self) -> bool:
        return self.used_bytes == self.total_bytes

    def to_json(self) -> dict[str, Any]:
        return {"used_bytes": self.used_bytes, "total_bytes": self.total_bytes, "whole": self.whole}


def subsample(texts: Sequence[str], limit_bytes: int = LIMIT_BYTES) -> Subsample:
    """All of `texts`, or texts drawn at random (always the same ones) until `limit_bytes` are full.

    The last one drawn is cut to what is left.
    """
    sizes = [size_in_bytes(text) for text in texts]
    total = sum(sizes)
    if total <= limit_bytes:
        return Subsample(tuple(texts), tuple(range(len(texts))), total, total)
    chosen: dict[int, str] = {}
    left = limit_bytes
    order: list[int] = np.random.default_rng(0).permutation(len(texts)).tolist()
    for place in order:
        if left <= 0:
            break
        start = texts[place].encode("utf-8", "surrogatepass")[:left]
        chosen[place] = start.decode("utf-8", "ignore") if sizes[place] > left else texts[place]
        left -= len(start)
    places = tuple(sorted(chosen))
    used = tuple(chosen[place] for place in places)
    return Subsample(used, places, sum(size_in_bytes(text) for text in used), total)


def size_in_bytes(text: str) -> int:
    """Bytes of `text` in UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))
