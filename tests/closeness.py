"""Closeness of floats on any CPU: another instruction set or thread count adds in another order and rounds otherwise.

So a comparison is exact by construction, or in float64, or allows a share of the size of what was summed.
"""

import torch
from torch import Tensor

EXACT = 1e-9
"""Share that float64 sums of a small model may be off by: its rounding is 1e-16, and gradients lift that little."""
ROUNDING = 1e-5
"""The same of float32: a hundred times the rounding of one addition."""


def assert_close_sums(found: Tensor, expected: Tensor, scale: float | None = None, share: float = ROUNDING) -> None:
    """No element is off by more than `share` of `scale`, the size of what was summed: by default the largest expected
    value. That is no measure where terms cancel: name the scale there."""
    size = expected.abs().max().item() if scale is None else scale
    torch.testing.assert_close(found, expected, rtol=0, atol=share * size)
