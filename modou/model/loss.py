"""Chunked next-token cross-entropy, and log-probabilities of tokens.

The logits of a batch are its largest tensor (2,048 positions x 8,000 tokens x 4 bytes = 65 MB, several times over).
They are computed for one chunk of positions at a time: the forward pass computes loss *and* gradient, (softmax -
one-hot), of a chunk and discards its logits. It is as fast as the plain form or faster, with a fraction of its memory.

Shapes: N positions, C positions of a chunk, D width, V vocabulary.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from modou.data.shards import IGNORE

CHUNK_NUMBERS = 3 << 20
"""Logits of a chunk, about: what stays in a processor's caches between one pass over them and the next."""
LEAST = 256
"""Positions of a chunk at least: each adds to the gradient of the whole output matrix."""


def chunk_rows(positions: int, vocabulary: int) -> int:
    """Positions of a chunk: equal chunks of about CHUNK_NUMBERS logits each, of whole blocks of 16; LEAST at least."""
    chunks = max(1, round(positions * vocabulary / CHUNK_NUMBERS))
    return max(LEAST, -(-positions // chunks // 16) * 16)


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, head_VD: Tensor, target_N: Tensor) -> Tensor:
        head_VD = head_VD.to(x_ND.dtype)
        wide = torch.promote_types(x_ND.dtype, torch.float32)  # 16-bit types are summed in float32
        total = x_ND.new_zeros((), dtype=wide)
        grad_x_ND = torch.empty_like(x_ND)
        needs_grad_x, needs_grad_head, _ = ctx.needs_input_grad
        grad_head_VD = torch.zeros_like(head_VD, dtype=wide) if needs_grad_head else None
        kept_N1 = (target_N != IGNORE).unsqueeze(1)
        target_N1 = target_N.unsqueeze(1).where(kept_N1, 0)
        rows = chunk_rows(len(x_ND), len(head_VD))
        for x_CD, grad_x_CD, target_C1, kept_C1 in zip(
            *(tensor_N.split(rows) for tensor_N in (x_ND, grad_x_ND, target_N1, kept_N1)), strict=True
        ):
            # exp(logits - largest) serves as both probabilities and gradient, up to a factor of each row.
            logits_CV = F.linear(x_CD, head_VD).to(wide)
            largest_C1 = logits_CV.amax(1, keepdim=True)
            chosen_C1 = logits_CV.gather(1, target_C1) - largest_C1
            exp_CV = logits_CV.sub_(largest_C1).exp_()
            sum_C1 = exp_CV.sum(1, keepdim=True)
            total += ((sum_C1.log() - chosen_C1) * kept_C1).sum()
            grad_CV = exp_CV.scatter_add_(1, target_C1, -sum_C1).to(x_ND.dtype)
            # Rows are divided by their sum, and masked, in the narrow factor of the products, not in the wide C x V.
            factor_C1 = (kept_C1 / sum_C1).to(x_ND.dtype)
            if needs_grad_x:
                torch.mm(grad_CV, head_VD, out=grad_x_CD).mul_(factor_C1)
            if grad_head_VD is not None:
                _add_product(grad_head_VD, grad_CV.T, x_CD * factor_C1)
        ctx.save_for_backward(grad_x_ND, grad_head_VD)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        grad_x_ND, grad_head_VD = ctx.saved_tensors
        grad_head_VD = None if grad_head_VD is None else grad_head_VD * grads[0]
        return grad_x_ND * grads[0].to(grad_x_ND.dtype), grad_head_VD, None


def _add_product(sum_VD: Tensor, left_VC: Tensor, right_CD: Tensor) -> None:
    """sum += left right, fused if the dtypes allow it."""
    if sum_VD.dtype == left_VC.dtype:
        sum_VD.addmm_(left_VC, right_CD)
    else:
        sum_VD += left_VC @ right_CD


def next_token_loss(x_BTD: Tensor, head_VD: Tensor, target_BT: Tensor) -> Tensor:
    """Cross-entropy in nats from hidden states, summed over the positions whose target is not -100; a scalar in float32
    (float64 if x is). Of a frozen head, and of both where no gradients are kept, no gradient is computed."""
    head_VD = head_VD if torch.is_grad_enabled() else head_VD.detach()
    loss: Tensor = _ChunkedCrossEntropy.apply(x_BTD.flatten(0, -2), head_VD, target_BT.flatten())
    return loss


def token_log_probabilities(logits_BTV: Tensor, target_BT: Tensor, temperature: float = 1.0) -> Tensor:
    """log softmax(logits / temperature)[target] in nats at each position, (B, T), float32 (float64 if logits are).

    temperature: the one that the tokens were sampled with.
    """
    logits_BTV = logits_BTV.to(torch.promote_types(logits_BTV.dtype, torch.float32))
    if temperature != 1:
        logits_BTV = logits_BTV / temperature
    chosen_BT = logits_BTV.gather(-1, target_BT.unsqueeze(-1)).squeeze(-1)
    return chosen_BT - logits_BTV.logsumexp(-1)
