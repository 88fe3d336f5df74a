"""A subsample of a large corpus for the exact in-memory measures (n-grams, xz, novelty)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LIMIT_BYTES = 20_000_000


@dataclass(frozen=True)
class Subsample:
    """The texts used, in their original order, and their size (UTF-8 bytes)."""

    texts: tuple[str, ...] = field(repr=False)
    places: tuple[int, ...] = field(repr=False)
    """Index of each text among those given."""
    used_bytes: int
    total_bytes: int

    @property
    def whole(self) -> bool:
        return self.used_bytes == self.total_bytes

    def to_json(self) -> dict[str, Any]:
        return {"used_bytes": self.used_bytes, "total_bytes": self.total_bytes, "whole": self.whole}


def subsample(texts: Sequence[str], limit_bytes: int = LIMIT_BYTES) -> Subsample:
    """All of `texts`, or a random selection (fixed seed) of `limit_bytes` bytes, the last one drawn truncated."""
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
    return len(text.encode("utf-8", "surrogatepass"))
