"""The key-value cache: what attention already computed for earlier positions, so that a new token costs one step.

Shapes: L layers, 2 = keys and values, B rows, K key-value heads, C capacity, S head size, T positions.
"""

from typing import Self

import torch
from torch import Tensor


class KVCache:
    """Keys and values of all layers for up to `capacity` positions; `length` positions are filled."""

    def __init__(self, filled_L2BKCS: Tensor, length: int = 0) -> None:
        self.filled_L2BKCS = filled_L2BKCS
        self.length = length

    @classmethod
    def empty(cls, layers: int, batch: int, heads: int, capacity: int, size: int, like: Tensor) -> Self:
        """An empty cache on the device and of the type of `like`."""
        return cls(like.new_zeros(layers, 2, batch, heads, capacity, size))

    @property
    def capacity(self) -> int:
        """Positions that fit."""
        return self.filled_L2BKCS.shape[4]

    @property
    def batch(self) -> int:
        """Rows."""
        return self.filled_L2BKCS.shape[2]

    def append(self, layer: int, key_BKTS: Tensor, value_BKTS: Tensor) -> tuple[Tensor, Tensor]:
        """Stores T new positions of one layer; returns all keys and values so far. `advance` ends the step."""
        end = self.length + key_BKTS.shape[2]
        if end > self.capacity:
            raise ValueError(f"the cache holds {self.capacity} positions, not {end}")
        keys_BKCS, values_BKCS = self.filled_L2BKCS[layer].unbind(0)
        keys_BKCS[:, :, self.length : end] = key_BKTS
        values_BKCS[:, :, self.length : end] = value_BKTS
        return keys_BKCS[:, :, :end], values_BKCS[:, :, :end]

    def advance(self, positions: int) -> None:
        """All layers have stored `positions` new ones."""
        self.length += positions

    def truncate(self, length: int) -> None:
        """Forgets all but the first `length` positions."""
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot keep {length} of {self.length} positions")
        self.length = length

    def reset(self) -> None:
        """Forgets everything."""
        self.length = 0

    def select(self, rows: Tensor) -> "KVCache":
        """A new cache of the named rows (an index tensor; rows may repeat), with the same fill."""
        return KVCache(self.filled_L2BKCS.index_select(2, rows), self.length)

    def repeat(self, times: int) -> "KVCache":
        """A new cache with each row `times` times in a run."""
        rows = torch.arange(self.batch, device=self.filled_L2BKCS.device).repeat_interleave(times)
        return self.select(rows)
