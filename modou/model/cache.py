"""The key-value cache of generation: keys and values of earlier positions.

Shapes: L layers, 2 = keys and values, B rows, K key-value heads, C capacity, S head size, T positions.
"""

from typing import Self

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
        """Maximum number of positions."""
        return self.filled_L2BKCS.shape[4]

    @property
    def batch(self) -> int:
        """Number of rows."""
        return self.filled_L2BKCS.shape[2]

    def append(self, layer: int, key_BKTS: Tensor, value_BKTS: Tensor) -> tuple[Tensor, Tensor]:
        """Stores T new positions of one layer; returns all keys and values so far. Call `advance` after the last
        layer."""
        end = self.length + key_BKTS.shape[2]
        if end > self.capacity:
            raise ValueError(f"the cache holds {self.capacity} positions, not {end}")
        keys_BKCS, values_BKCS = self.filled_L2BKCS[layer].unbind(0)
        keys_BKCS[:, :, self.length : end] = key_BKTS
        values_BKCS[:, :, self.length : end] = value_BKTS
        return keys_BKCS[:, :, :end], values_BKCS[:, :, :end]

    def advance(self, positions: int) -> None:
        """Counts `positions` that all layers have stored."""
        self.length += positions

    def select(self, rows: Tensor) -> "KVCache":
        """A new cache with the rows of an index tensor (rows may repeat) and the same length."""
        return KVCache(self.filled_L2BKCS.index_select(2, rows), self.length)
