"""Causal self-attention: each position looks back at all earlier ones and takes a weighted mix of their values.

`attend` is the one function: fast through SDPA, or explicit with its weights for inspection (tested equal).

Shapes: B batch, T new positions, P all positions (earlier ones in the cache, then T), D width,
H query heads, K key-value heads, S head size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.cache import KVCache
from modou.model.positions import rotate
from modou.settings.model import ModelSettings


def attend(query_BHTS: Tensor, key_BKPS: Tensor, value_BKPS: Tensor, mask_B1TP: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(S)) v, causal: query t is position P - T + t and sees positions up to its own.

    With a mask (True = may be seen) exactly the positions it names.
    """
    new, total = query_BHTS.shape[2], key_BKPS.shape[2]
    grouped = query_BHTS.shape[1] != key_BKPS.shape[1]
    if mask_B1TP is not None:
        return F.scaled_dot_product_attention(query_BHTS, key_BKPS, value_BKPS, mask_B1TP, enable_gqa=grouped)
    if new == total:
        return F.scaled_dot_product_attention(query_BHTS, key_BKPS, value_BKPS, is_causal=True, enable_gqa=grouped)
    mask_TP = None if new == 1 else causal_mask(new, total, query_BHTS.device)
    return F.scaled_dot_product_attention(query_BHTS, key_BKPS, value_BKPS, mask_TP, enable_gqa=grouped)


def attend_explicitly(query_BHTS: Tensor, key_BKPS: Tensor, value_BKPS: Tensor) -> tuple[Tensor, Tensor]:
    """The same by the formula, and the weights: (mix (B, H, T, S), weights (B, H, T, P), rows sum to 1)."""
    groups = query_BHTS.shape[1] // key_BKPS.shape[1]
    key_BHPS, value_BHPS = key_BKPS.repeat_interleave(groups, 1), value_BKPS.repeat_interleave(groups, 1)
    scores_BHTP = query_BHTS @ key_BHPS.transpose(-1, -2) * query_BHTS.shape[-1] ** -0.5
    mask_TP = causal_mask(query_BHTS.shape[2], key_BKPS.shape[2], query_BHTS.device)
    weights_BHTP = scores_BHTP.masked_fill(~mask_TP, float("-inf")).softmax(-1)
    return weights_BHTP @ value_BHPS, weights_BHTP


def causal_mask(new: int, total: int, device: torch.device) -> Tensor:
    """(T, P) True where the query may look: T new positions are the last of P."""
    return torch.ones(new, total, dtype=torch.bool, device=device).tril(total - new)


def document_mask(start_BT: Tensor) -> Tensor:
    """(B, 1, T, T) True where the query may look: back to the first position of its own document, `start`."""
    place_T = torch.arange(start_BT.shape[1], device=start_BT.device)
    return ((place_T[None, None, :] >= start_BT[:, :, None]) & (place_T[None, :] <= place_T[:, None])).unsqueeze(1)


def normalised(norm: nn.RMSNorm, x: Tensor) -> Tensor:
    """norm(x) in x's own type: under autocast torch's fused kernel takes no scales of another type than x's."""
    return F.rms_norm(x, norm.normalized_shape, norm.weight.to(x.dtype), norm.eps)


class Attention(nn.Module):
    """Multi-head attention of one layer. Queries, keys and values come from one product, q | k | v."""

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
        """Queries (B, H, T, S), keys and values (B, K, T, S), normalised and turned to their positions."""
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
        """Each position's mix of what it may see, (B, T, D)."""
        query_BHTS, key_BKPS, value_BKPS = self.project(x_BTD, rotary_2TS)
        if cache is not None:
            key_BKPS, value_BKPS = cache.append(self.layer, key_BKPS, value_BKPS)
        mix_BHTS = attend(query_BHTS, key_BKPS, value_BKPS, mask_B1TT)
        return self.out(mix_BHTS.transpose(1, 2).flatten(2))
