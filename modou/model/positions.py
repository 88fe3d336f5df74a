"""Rotary position embedding (RoPE; Su et al. 2021), and the initial values of learned position embeddings.

RoPE rotates queries and keys by angles proportional to the position, so that attention scores depend on distances only.
Half-split layout (as GPT-NeoX and Qwen3): components i of the first and of the second half form the plane with
frequency i. Learned embeddings are initialised with sines and cosines (Vaswani et al. 2017).

Shapes: B batch, H heads, T positions, S head size, R = S / 2 planes.
"""

import torch
from torch import Tensor


def rotary_angles(length: int, head_size: int, base: float) -> Tensor:
    """Angles in radians of positions 0 .. length-1, (T, R) float32: position x base^(-2i / head size)."""
    frequency_R = base ** (-torch.arange(0, head_size, 2, dtype=torch.float64) / head_size)
    return torch.outer(torch.arange(length, dtype=torch.float64), frequency_R)


def rotary_table(length: int, head_size: int, base: float) -> Tensor:
    """Cosines and sines of all angles, (2, T, S) float32, the same in both halves of S."""
    angle_TS = rotary_angles(length, head_size, base).repeat(1, 2)
    return torch.stack([angle_TS.cos(), angle_TS.sin()]).float()


def sinusoid_table(length: int, width: int, base: float = 1000.0) -> Tensor:
    """Sinusoidal position embeddings, sines then cosines, (T, D) float32 with mean square 1."""
    angle_TR = rotary_angles(length, width, base)
    return torch.cat([angle_TR.sin(), angle_TR.cos()], dim=1)[:, :width].float() * 2**0.5


def rotate(x_BHTS: Tensor, table_2TS: Tensor) -> Tensor:
    """x rotated according to its positions. table_2TS: the rows of `rotary_table` for these T positions."""
    cos_TS, sin_TS = table_2TS.to(x_BHTS.dtype).unbind(0)
    first, second = x_BHTS.chunk(2, dim=-1)
    rotated_BHTS = torch.cat((-second, first), dim=-1)
    return x_BHTS * cos_TS + rotated_BHTS * sin_TS
