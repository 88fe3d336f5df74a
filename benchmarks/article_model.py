"""The article's GPT, written from its description, as a baseline.

Pre-LN decoder, attention of four linear layers with biases and explicit T x T scores, GELU (erf), output head with
bias, torch's default initialisation (token embeddings from N(0, 1)), dropout on attention weights and after the
feed-forward layer; learned positions, or RoPE on interleaved pairs.

Shapes: B batch, T positions, D width, H heads, S head size, V vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.settings.model import ROPE_BASE, ModelSettings

DROPOUT = 0.1
SIZES = {"2m": {"layers": 2, "width": 128, "heads": 4}, "8m": {"layers": 6, "width": 256, "heads": 8}}


def article_settings(size: str, position: str, vocabulary: int) -> ModelSettings:
    """One of the article's two shapes, context 128."""
    shape = {"style": "classic", "position": position, "context": 128, "tied": False, "dropout": DROPOUT}
    return ModelSettings.parse(shape | SIZES[size] | {"vocabulary": vocabulary})


class ArticleAttention(nn.Module):
    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.heads, self.rotary = settings.heads, settings.position == "rope"
        self.query, self.key, self.value, self.out = (nn.Linear(settings.width, settings.width) for _ in range(4))
        self.drop = nn.Dropout(settings.dropout)
        self.base = ROPE_BASE

    def forward(self, x_BTD: Tensor) -> Tensor:
        batch, length, width = x_BTD.shape
        query_BHTS, key_BHTS, value_BHTS = (
            layer(x_BTD).view(batch, length, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        if self.rotary:
            query_BHTS, key_BHTS = turn_pairs(query_BHTS, self.base), turn_pairs(key_BHTS, self.base)
        scores_BHTT = query_BHTS @ key_BHTS.transpose(-2, -1) / query_BHTS.shape[-1] ** 0.5
        mask_TT = torch.tril(torch.ones(length, length, device=x_BTD.device))
        scores_BHTT = scores_BHTT.masked_fill(mask_TT == 0, float("-inf"))
        mix_BHTS = self.drop(scores_BHTT.softmax(-1)) @ value_BHTS
        return self.out(mix_BHTS.transpose(1, 2).contiguous().view(batch, length, width))


def turn_pairs(x_BHTS: Tensor, base: float) -> Tensor:
    """RoPE on the pairs (0, 1), (2, 3) ... of components."""
    size, length = x_BHTS.shape[-1], x_BHTS.shape[-2]
    frequency = base ** (-torch.arange(0, size, 2, device=x_BHTS.device) / size)
    angle = torch.outer(torch.arange(length, device=x_BHTS.device), frequency)
    even, odd = x_BHTS[..., ::2], x_BHTS[..., 1::2]
    turned = torch.stack([even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()], -1)
    return turned.flatten(-2).to(x_BHTS.dtype)


class ArticleBlock(nn.Module):
    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(settings.width), nn.LayerNorm(settings.width)
        self.attention = ArticleAttention(settings)
        self.feed_forward = nn.Sequential(
            nn.Linear(settings.width, settings.feed_forward),
            nn.GELU(),
            nn.Linear(settings.feed_forward, settings.width),
            nn.Dropout(settings.dropout),
        )

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD))
        return x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))


class ArticleGPT(nn.Module):
    """Logits (B, T, V) of token ids (B, T). Has the attributes that modou.methods.likelihood needs: `settings`,
    `embedding`, `hidden` and `logits`, as in modou's GPT."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(settings.vocabulary, settings.width)
        self.positions = nn.Embedding(settings.context, settings.width) if settings.position == "learned" else None
        self.blocks = nn.Sequential(*(ArticleBlock(settings) for _ in range(settings.layers)))
        self.norm = nn.LayerNorm(settings.width)
        self.head = nn.Linear(settings.width, settings.vocabulary)

    def forward(self, ids_BT: Tensor) -> Tensor:
        return self.logits(self.hidden(ids_BT))

    def hidden(self, ids_BT: Tensor) -> Tensor:
        x_BTD = self.embedding(ids_BT)
        if self.positions is not None:
            x_BTD = x_BTD + self.positions(torch.arange(ids_BT.shape[1], device=ids_BT.device))
        return self.norm(self.blocks(x_BTD))

    def logits(self, x_BTD: Tensor) -> Tensor:
        return self.head(x_BTD)

    def mean_loss(self, ids_BT: Tensor, target_BT: Tensor) -> Tensor:
        """Cross-entropy over all logits at once, mean over positions, nats."""
        return F.cross_entropy(self(ids_BT).flatten(0, 1), target_BT.flatten())
