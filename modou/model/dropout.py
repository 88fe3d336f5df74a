"""Dropout (Srivastava et al. 2014) whose random numbers cost little on a CPU.

torch draws one random number an activation there, one after another: a seventh of a training step of our small models
(docs/experiments/). A byte each is enough: eight come from one draw, and the share is kept to 1/256.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BYTE = 256


def dropout(x: Tensor, share: float, training: bool) -> Tensor:
    """x with about `share` of its values 0 and the others scaled up so that the expectation stays; x itself outside
    training. The random numbers are torch's current generator's."""
    if not training or not share:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, share)
    threshold = min(max(1, round(share * BYTE)), BYTE - 1)
    draws = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(1 << 63), None)
    kept = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= threshold
    return x * kept.to(x.dtype).mul_(BYTE / (BYTE - threshold))
