"""Settings of a model: its shape and its layout."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modou.messages import UserError
from modou.settings.base import Settings

Style = Literal["classic", "modern"]
Position = Literal["learned", "rope"]

ROPE_BASE = 10_000.0
"""Usual base of the rotary frequencies (Su et al. 2021)."""


class ModelSettings(Settings):
    """Shape of one GPT. Three combinations are valid: classic+learned (loads as GPT-2), classic+rope (GPT-NeoX),
    modern+rope (Qwen3, or Llama without QK-norm)."""

    style: Style = "modern"
    """classic = LayerNorm, GELU, biases; modern = RMSNorm, SwiGLU, QK-norm, no biases."""
    position: Position = "rope"
    """Positions: learned = absolute position embeddings, rope = rotary (of queries and keys)."""
    vocabulary: Annotated[int, Field(ge=8, le=1_000_000)] = 4096
    """Vocabulary size; taken from the tokenizer."""
    layers: Annotated[int, Field(ge=1, le=256)] = 6
    """Number of transformer blocks."""
    width: Annotated[int, Field(ge=8, le=65_536)] = 256
    """Width of the residual stream."""
    heads: Annotated[int, Field(ge=1, le=512)] = 4
    """Number of attention heads."""
    kv_heads: Annotated[int, Field(ge=0, le=512)] = 0
    """Number of key-value heads (grouped-query attention, modern only); 0 = as many as heads."""
    head_size: Annotated[int, Field(ge=0, le=65_536)] = 0
    """Width of one attention head; 0 = width / heads."""
    hidden: Annotated[int, Field(ge=0, le=262_144)] = 0
    """Width of the feed-forward layer; 0 = 4 x width (classic), or 8/3 x width rounded up to 32s (modern)."""
    context: Annotated[int, Field(ge=4, le=1_048_576)] = 256
    """Context length in tokens."""
    norm_eps: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    """Epsilon of the norms; 0 = 1e-5 (classic) or 1e-6 (modern)."""
    qk_norm: bool = True
    """Normalise queries and keys (modern only)."""
    rope_base: Annotated[float, Field(ge=1, le=1e12)] = ROPE_BASE
    """Base of the rotary frequencies (rope only)."""
    tied: bool = True
    """Tie the output head to the token embedding."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on the embedding and on the output of each attention and feed-forward layer."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.style == "modern" and self.position != "rope":
            raise UserError("settings.modern_needs_rope")
        if not self.head_size and self.width % self.heads:
            raise UserError("settings.heads_do_not_divide", width=self.width, heads=self.heads)
        if self.position == "rope" and self.head_width % 2:
            raise UserError("settings.odd_heads", size=self.head_width)
        if self.style == "classic" and self.kv_heads:
            raise UserError("settings.kv_heads_without_effect")
        if self.style == "classic" and not self.qk_norm:
            raise UserError("settings.qk_norm_without_effect")
        if self.position == "learned" and self.rope_base != ROPE_BASE:
            raise UserError("settings.rope_base_without_effect")
        if self.kv_heads and self.heads % self.kv_heads:
            raise UserError("settings.kv_heads_do_not_divide", heads=self.heads, kv_heads=self.kv_heads)
        return self

    @property
    def head_width(self) -> int:
        """Width of one attention head, with 0 resolved."""
        return self.head_size or self.width // self.heads

    @property
    def key_value_heads(self) -> int:
        """Number of key-value heads, with 0 resolved."""
        return self.kv_heads or self.heads

    @property
    def epsilon(self) -> float:
        """Epsilon of the norms and of QK-norm, with 0 resolved."""
        return self.norm_eps or (1e-5 if self.style == "classic" else 1e-6)

    @property
    def feed_forward(self) -> int:
        """Width of the feed-forward layer, with 0 resolved."""
        if self.hidden:
            return self.hidden
        return 4 * self.width if self.style == "classic" else -(-8 * self.width // 3 // 32) * 32
