"""Causal multi-head self-attention (Vaswani et al. 2017), with grouped queries (Ainslie et al. 2023).

Shapes: B batch, T new positions, P all positions (earlier ones in the cache, then T), D width, H query heads,
K key-value heads, S head size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.cache import KVCache
from modou.model.positions import rotate
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


def causal_mask(new: int, total: int, device: torch.device) -> Tensor:
    """(T, P), True where a query may attend to a key; the T new positions are the last of P."""
    return torch.ones(new, total, dtype=torch.bool, device=device).tril(total - new)


def document_mask(start_BT: Tensor) -> Tensor:
    """(B, 1, T, T), True where a query may attend to a key: causal, from the first position `start` of its document."""
    position_T = torch.arange(start_BT.shape[1], device=start_BT.device)
    causal_TT = position_T[None, :] <= position_T[:, None]
    return ((position_T[None, None, :] >= start_BT[:, :, None]) & causal_TT).unsqueeze(1)


def normalised(norm: nn.RMSNorm, x: Tensor) -> Tensor:
    """norm(x) with the weight in x's dtype, as torch's fused kernel requires (they differ under autocast)."""
    return F.rms_norm(x, norm.normalized_shape, norm.weight.to(x.dtype), norm.eps)


class Attention(nn.Module):
    """Multi-head attention of one layer. One linear layer computes queries, keys and values, q | k | v."""

    def __init__(self, settings: ModelSettings, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads, self.kv_heads = settings.heads, settings.key_value_heads
        self.head_size = settings.head_size
        bias = settings.style == "classic"
        self.qkv = nn.Linear(settings.width, (self.heads + 2 * self.kv_heads) * self.head_size, bias=bias)
        self.out = nn.Linear(settings.width, settings.width, bias=bias)
        self.normalised = settings.style == "modern"
        if self.normalised:  # QK-norm (Henry et al. 2020) keeps the scores in range at any learning rate
            self.query_norm = nn.RMSNorm(self.head_size, eps=1e-6)
            self.key_norm = nn.RMSNorm(self.head_size, eps=1e-6)

    def project(self, x_BTD: Tensor, rotary_2TS: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, S), keys and values (B, K, T, S), after QK-norm and rotary embedding."""
        batch, length, _ = x_BTD.shape
        heads = (self.heads, self.kv_heads, self.kv_heads)
        sizes = [count * self.head_size for count in heads]
        query_BHTS, key_BKTS, value_BKTS = (
            part.view(batch, length, count, self.head_size).transpose(1, 2)
            for part, count in zip(self.qkv(x_BTD).split(sizes, dim=-1), heads, strict=True)
        )
        if self.normalised:
            query_BHTS, key_BKTS = normalised(self.query_norm, query_BHTS), normalised(self.key_norm, key_BKTS)
        if rotary_2TS is not None:
            query_BHTS, key_BKTS = rotate(query_BHTS, rotary_2TS), rotate(key_BKTS, rotary_2TS)
        return query_BHTS, key_BKTS, value_BKTS

    def forward(
        self, x_BTD: Tensor, rotary_2TS: Tensor | None, cache: KVCache | None, mask_B1TT: Tensor | None = None
    ) -> Tensor:
        """(B, T, D) to (B, T, D); appends keys and values to the cache, if there is one."""
        query_BHTS, key_BKPS, value_BKPS = self.project(x_BTD, rotary_2TS)
        if cache is not None:
            key_BKPS, value_BKPS = cache.append(self.layer, key_BKPS, value_BKPS)
        mix_BHTS = attend(query_BHTS, key_BKPS, value_BKPS, mask_B1TT)
        return self.out(mix_BHTS.transpose(1, 2).flatten(2))
