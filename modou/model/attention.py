"""Causal multi-head self-attention (Vaswani et al. 2017), with grouped queries (Ainslie et al. 2023).

Shapes: B batch, T new positions, P all positions (earlier ones in the cache, then T), D width, H query heads,
K key-value heads, S head size. N = B x K, and R = H / K x T queries that share a head's keys.
"""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.cache import KVCache
from modou.model.fused import Heads, RMSNorm, first_order, split_heads
from modou.model.products import cpu_products, set_cpu_products
from modou.settings.model import ModelSettings


def attend(query_BHTS: Tensor, key_BKPS: Tensor, value_BKPS: Tensor, mask_B1TP: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(S)) v, (B, H, T, S), causal: query t is at position P - T + t.

    With a mask (True = may be attended to) exactly the positions it names.
    """
    new, total = query_BHTS.shape[2], key_BKPS.shape[2]
    grouped = query_BHTS.shape[1] != key_BKPS.shape[1]
    if mask_B1TP is not None:
        return F.scaled_dot_product_attention(query_BHTS, key_BKPS, value_BKPS, mask_B1TP, enable_gqa=grouped)
    if new == total:
        return F.scaled_dot_product_attention(query_BHTS, key_BKPS, value_BKPS, is_causal=True, enable_gqa=grouped)
    mask_TP = None if new == 1 else causal_mask(new, total, query_BHTS.device)
    return F.scaled_dot_product_attention(query_BHTS, key_BKPS, value_BKPS, mask_TP, enable_gqa=grouped)


class Attend(Protocol):
    """A function that computes what `attend` does."""

    def __call__(
        self, query_BHTS: Tensor, key_BKPS: Tensor, value_BKPS: Tensor, mask_B1TP: Tensor | None = None
    ) -> Tensor: ...


def attend_in_float32(
    query_BHTS: Tensor, key_BKPS: Tensor, value_BKPS: Tensor, mask_B1TP: Tensor | None = None
) -> Tensor:
    """`attend` with float32 products on a CPU whatever the precision of the others.

    torch's kernel makes many small products inside a loop over threads; in oneDNN's bfloat16 each costs more than the
    whole in float32, forward and backward.
    """
    with cpu_products("float32"):
        mix_BHTS = attend(query_BHTS, key_BKPS, value_BKPS, mask_B1TP)
    if mix_BHTS.grad_fn is not None:
        before: list[str] = []

        def enter(_: Any) -> None:
            before.append(set_cpu_products("ieee"))

        def leave(_: Any, __: Any) -> None:
            set_cpu_products(before.pop())

        mix_BHTS.grad_fn.register_prehook(enter)
        mix_BHTS.grad_fn.register_hook(leave)
    return mix_BHTS


def attend_by_products(
    query_BHTS: Tensor, key_BKPS: Tensor, value_BKPS: Tensor, mask_B1TP: Tensor | None = None
) -> Tensor:
    """`attend` for causal attention of whole rows on a CPU, by plain products that keep the weights, (B, H, T, T).

    Its two large products use a CPU's bfloat16 units, which torch's kernel cannot.
    """
    if mask_B1TP is not None or query_BHTS.device.type != "cpu" or query_BHTS.shape[2] != key_BKPS.shape[2]:
        return attend_in_float32(query_BHTS, key_BKPS, value_BKPS, mask_B1TP)
    batch, heads, length, size = query_BHTS.shape
    key_NTS, value_NTS = (part.reshape(-1, length, size) for part in (key_BKPS, value_BKPS))
    query_NRS = query_BHTS.reshape(len(key_NTS), -1, size)
    mix_NRS: Any = _AttendByProducts.apply(query_NRS, key_NTS, value_NTS)
    return mix_NRS.view(batch, heads, length, size)


class _AttendByProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query_NRS: Tensor, key_NTS: Tensor, value_NTS: Tensor) -> Tensor:
        length, size = key_NTS.shape[1:]
        hidden_TT = query_NRS.new_full((length, length), -torch.inf).triu(1)
        hidden_RT = hidden_TT.repeat(query_NRS.shape[1] // length, 1)
        score_NRT = torch.baddbmm(hidden_RT, query_NRS, key_NTS.mT, alpha=size**-0.5)
        weight_NRT = score_NRT.softmax(-1)
        ctx.save_for_backward(query_NRS, key_NTS, value_NTS, weight_NRT)
        return weight_NRT @ value_NTS

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query_NRS, key_NTS, value_NTS, weight_NRT = ctx.saved_tensors
        grad_weight_NRT = grads[0] @ value_NTS.mT
        grad_score_NRT = torch.ops.aten._softmax_backward_data(grad_weight_NRT, weight_NRT, -1, weight_NRT.dtype)
        grad_score_NRT *= query_NRS.shape[-1] ** -0.5
        return grad_score_NRT @ key_NTS, grad_score_NRT.mT @ query_NRS, weight_NRT.mT @ grads[0]


def causal_mask(new: int, total: int, device: torch.device) -> Tensor:
    """(T, P), True where a query may attend to a key; the T new positions are the last of P."""
    return torch.ones(new, total, dtype=torch.bool, device=device).tril(total - new)


def document_mask(start_BT: Tensor) -> Tensor:
    """(B, 1, T, T), True where a query may attend to a key: causal, from the first position `start` of its document."""
    position_T = torch.arange(start_BT.shape[1], device=start_BT.device)
    causal_TT = position_T[None, :] <= position_T[:, None]
    return ((position_T[None, None, :] >= start_BT[:, :, None]) & causal_TT).unsqueeze(1)


class Attention(nn.Module):
    """Multi-head attention of one layer. One linear layer computes queries, keys and values, q | k | v."""

    def __init__(self, settings: ModelSettings, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads = settings.heads, settings.key_value_heads
        self.attend: Attend = attend  # training may choose another of equal result
        self.head_width, self.epsilon = settings.head_width, settings.epsilon
        bias = settings.style == "classic"
        self.qkv = nn.Linear(settings.width, (self.heads + 2 * self.kv_heads) * self.head_width, bias=bias)
        self.out = nn.Linear(self.heads * self.head_width, settings.width, bias=bias)
        self.normalised = settings.style == "modern" and settings.qk_norm
        if self.normalised:  # QK-norm (Henry et al. 2020) keeps the scores in range at any learning rate
            self.query_norm = RMSNorm(self.head_width, eps=self.epsilon)
            self.key_norm = RMSNorm(self.head_width, eps=self.epsilon)

    def project(self, x_BTD: Tensor, rotary_2TS: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, S), keys and values (B, K, T, S), after QK-norm and rotary embedding."""
        heads = Heads(self.heads, self.kv_heads, self.head_width)
        norms = (self.query_norm.weight, self.key_norm.weight) if self.normalised else None
        return split_heads(self.qkv(x_BTD), heads, norms, self.epsilon, rotary_2TS)

    def forward(
        self, x_BTD: Tensor, rotary_2TS: Tensor | None, cache: KVCache | None, mask_B1TT: Tensor | None = None
    ) -> Tensor:
        """(B, T, D) to (B, T, D); appends keys and values to the cache, if there is one."""
        query_BHTS, key_BKPS, value_BKPS = self.project(x_BTD, rotary_2TS)
        if cache is not None:
            key_BKPS, value_BKPS = cache.append(self.layer, key_BKPS, value_BKPS)
        mix_BHTS = self.attend(query_BHTS, key_BKPS, value_BKPS, mask_B1TT)
        return self.out(mix_BHTS.transpose(1, 2).flatten(2))
