"""Log-probabilities of selected tokens. The output matrix, a third of a small model's work, is applied to them alone.

Shapes: B rows, T positions, N positions where the mask is 1, D width, V vocabulary.
"""

import torch
from torch import Tensor

from modou.model.gpt import GPT
from modou.model.loss import token_log_probabilities

POSITIONS_AT_ONCE = 2048
"""Positions per forward pass, which bounds the memory of the activations."""
LOGITS_AT_ONCE = 1 << 26
"""Logits that `score_tokens` holds at once: the windows of a large vocabulary and context would fill gigabytes."""


def score_hidden(
    model: GPT, x_BTD: Tensor, target_BT: Tensor, mask_BT: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """From hidden states, log p(target) in nats at `temperature`, (B, T), 0 outside the mask; and the logits inside the
    mask, (N, V), row by row."""
    inside_BT = mask_BT.bool()
    logits_NV = model.logits(x_BTD[inside_BT])
    log_N = token_log_probabilities(logits_NV, target_BT[inside_BT], temperature)
    return log_N.new_zeros(mask_BT.shape).masked_scatter(inside_BT, log_N), logits_NV


def divergences(from_NV: Tensor, to_NV: Tensor) -> Tensor:
    """KL(softmax(from) || softmax(to)) in nats at each of N positions, (N,) float32 (float64 if logits are)."""
    wide = torch.promote_types(to_NV.dtype, torch.float32)
    log_from_NV, log_to_NV = from_NV.log_softmax(-1, dtype=wide), to_NV.log_softmax(-1, dtype=wide)
    return (log_from_NV.exp() * (log_from_NV - log_to_NV)).sum(-1)


def ends(mask_BT: Tensor) -> Tensor:
    """The number of positions up to the last 1 of each row's mask, (B,)."""
    return (mask_BT.bool() * torch.arange(1, mask_BT.shape[1] + 1, device=mask_BT.device)).amax(1)


@torch.no_grad()
def score_tokens(model: GPT, ids_BT: Tensor, target_BT: Tensor, mask_BT: Tensor, temperature: float = 1.0) -> Tensor:
    """log p(target) as `score_hidden`, from ids, (B, T) on the CPU; a few rows of similar length at a time."""
    device, most = model.embedding.weight.device, max(1, LOGITS_AT_ONCE // model.settings.vocabulary)
    ends_B, log_BT = ends(mask_BT), torch.zeros(mask_BT.shape)
    for rows in ends_B.argsort().split(max(1, POSITIONS_AT_ONCE // ids_BT.shape[1])):
        width = max(1, int(ends_B[rows].max()))
        ids, target, mask = (tensor[rows, :width].to(device) for tensor in (ids_BT, target_BT, mask_BT))
        inside_BT = mask.bool()
        parts = zip(model.hidden(ids)[inside_BT].split(most), target[inside_BT].split(most), strict=True)
        log_N = torch.cat([token_log_probabilities(model.logits(x), chosen, temperature) for x, chosen in parts])
        log_BT[rows, :width] = log_N.new_zeros(inside_BT.shape).masked_scatter(inside_BT, log_N).float().cpu()
    return log_BT
