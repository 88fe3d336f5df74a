"""A subsample of a large corpus for the exact in-memory measures (n-grams, xz, novelty)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

LIMIT_BYTES = 20_000_000


@dataclass(frozen=True)
class Extent:
    """How much of a text was used."""

    used_bytes: int
    """Bytes of UTF-8."""
    total_bytes: int
    """Bytes of the whole text."""
    whole: bool
    """Whether all of it was used."""


@dataclass(frozen=True)
class Subsample:
    """The texts used, in their original order."""

    texts: tuple[str, ...] = field(repr=False)
    places: tuple[int, ...] = field(repr=False)
    """Index of each text among those given."""
    extent: Extent


def subsample(texts: Sequence[str], limit_bytes: int = LIMIT_BYTES) -> Subsample:
    """All of `texts`, or a random selection (fixed seed) of `limit_bytes` bytes, the last one drawn truncated."""
    sizes = [size_in_bytes(text) for text in texts]
    total = sum(sizes)
    if total <= limit_bytes:
        return Subsample(tuple(texts), tuple(range(len(texts))), Extent(total, total, True))
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
    return Subsample(used, places, Extent(sum(size_in_bytes(text) for text in used), total, False))


def size_in_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
