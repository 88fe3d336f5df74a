"""Rotary positions (RoPE; Su et al. 2021): turn each query and key by an angle that grows with its position.

The score of a query and a key then depends on their distance only. Half-split layout (as GPT-NeoX and Qwen3):
component i of the first half and component i of the second half form the plane that turns at frequency i.

Shapes: B batch, H heads, T positions, S head size, R = S / 2 planes.
"""

import torch
from torch import Tensor


def rotary_angles(length: int, head_size: int, base: float) -> Tensor:
    """Angles in radians of positions 0 .. length-1, (T, R) float32: position x base^(-2i / head size)."""
    frequency_R = base ** (-torch.arange(0, head_size, 2, dtype=torch.float64) / head_size)
    return torch.outer(torch.arange(length, dtype=torch.float64), frequency_R)


def rotary_table(length: int, head_size: int, base: float) -> Tensor:
    """Cosines and sines of all angles, (2, T, S) float32, each half-split plane written twice."""
    angle_TS = rotary_angles(length, head_size, base).repeat(1, 2)
    return torch.stack([angle_TS.cos(), angle_TS.sin()]).float()


def rotate(x_BHTS: Tensor, table_2TS: Tensor) -> Tensor:
    """x turned to its positions. `table_2TS` holds the rows of rotary_table for the T positions of x."""
    cos_TS, sin_TS = table_2TS.to(x_BHTS.dtype).unbind(0)
    first, second = x_BHTS.chunk(2, dim=-1)
    turned_BHTS = torch.cat((-second, first), dim=-1)
    return x_BHTS * cos_TS + turned_BHTS * sin_TS
