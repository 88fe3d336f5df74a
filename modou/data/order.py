"""The order of examples in training: every epoch is a new permutation."""

import functools

import numpy as np


@functools.lru_cache(maxsize=4)
def epoch_order(count: int, epoch: int, seed: int) -> tuple[int, ...]:
    """The permutation of `count` examples in an epoch (from 0), a pure function of its arguments."""
    key = np.array([seed % (1 << 64), epoch], np.uint64)
    return tuple(np.random.Generator(np.random.Philox(key=key)).permutation(count).tolist())


def example_at(place: int, count: int, seed: int) -> int:
    """Index of the example at position `place` of the infinite sequence of epochs."""
    epoch, index = divmod(place, count)
    return epoch_order(count, epoch, seed)[index]
