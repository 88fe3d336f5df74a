"""Log-probabilities of some of the tokens: the head, a third of a small model's work, is applied to those alone.

Shapes: B rows, T positions, N positions where the mask is 1, D width, V vocabulary.
"""

import torch
from torch import Tensor

from modou.model.gpt import GPT
from modou.model.loss import token_log_probabilities

POSITIONS_AT_ONCE = 2048
"""Positions scored in one pass, which bounds the memory of their logits."""


def score_hidden(
    model: GPT, x_BTD: Tensor, target_BT: Tensor, mask_BT: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """log p(target) at `temperature` from hidden states, (B, T), 0 outside the mask; and the logits inside it, (N, V),
    row by row."""
    inside_BT = mask_BT.bool()
    logits_NV = model.logits(x_BTD[inside_BT])
    log_N = token_log_probabilities(logits_NV, target_BT[inside_BT], temperature)
    return log_N.new_zeros(mask_BT.shape).masked_scatter(inside_BT, log_N), logits_NV


def divergences(from_NV: Tensor, to_NV: Tensor) -> Tensor:
    """KL(softmax(from) || softmax(to)) in nats at each of N positions, (N,) float32 (float64 where logits are)."""
    wide = torch.promote_types(to_NV.dtype, torch.float32)
    log_from_NV, log_to_NV = from_NV.log_softmax(-1, dtype=wide), to_NV.log_softmax(-1, dtype=wide)
    return (log_from_NV.exp() * (log_from_NV - log_to_NV)).sum(-1)


def ends(mask_BT: Tensor) -> Tensor:
    """How many positions of each row go to the last 1 of its mask, (B,)."""
    return (mask_BT.bool() * torch.arange(1, mask_BT.shape[1] + 1, device=mask_BT.device)).amax(1)


@torch.no_grad()
def score_tokens(model: GPT, ids_BT: Tensor, target_BT: Tensor, mask_BT: Tensor, temperature: float = 1.0) -> Tensor:
    """The same from ids, (B, T) on the CPU, a few rows of like length at a time."""
    device = model.embedding.weight.device
    ends_B, log_BT = ends(mask_BT), torch.zeros(mask_BT.shape)
    for rows in ends_B.argsort().split(max(1, POSITIONS_AT_ONCE // ids_BT.shape[1])):
        width = max(1, int(ends_B[rows].max()))
        ids, target, mask = (tensor[rows, :width].to(device) for tensor in (ids_BT, target_BT, mask_BT))
        log_BT[rows, :width] = score_hidden(model, model.hidden(ids), target, mask, temperature)[0].float().cpu()
    return log_BT
