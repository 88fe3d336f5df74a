"""Settings of a model: its shape and its layout."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modou.messages import UserError
from modou.settings.base import Settings

Style = Literal["classic", "modern"]
Position = Literal["learned", "rope"]


class ModelSettings(Settings):
    """Shape of one GPT. Three combinations are valid: classic+learned (loads as GPT-2), classic+rope (GPT-NeoX),
    modern+rope (Qwen3)."""

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
    hidden: Annotated[int, Field(ge=0, le=262_144)] = 0
    """Width of the feed-forward layer; 0 = 4 x width (classic), or 8/3 x width rounded up to 32s (modern)."""
    context: Annotated[int, Field(ge=4, le=1_048_576)] = 256
    """Context length in tokens."""
    tied: bool = True
    """Tie the output head to the token embedding."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on the embedding and on the output of each attention and feed-forward layer."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise UserError("settings.heads_do_not_divide", width=self.width, heads=self.heads)
        if self.style == "modern" and self.position != "rope":
            raise UserError("settings.modern_needs_rope")
        if self.style == "classic" and self.kv_heads:
            raise UserError("settings.kv_heads_without_effect")
        if self.kv_heads and self.heads % self.kv_heads:
            raise UserError("settings.kv_heads_do_not_divide", heads=self.heads, kv_heads=self.kv_heads)
        return self

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @property
    def key_value_heads(self) -> int:
        """Number of key-value heads, with 0 resolved."""
        return self.kv_heads or self.heads

    @property
    def feed_forward(self) -> int:
        """Width of the feed-forward layer, with 0 resolved."""
        if self.hidden:
            return self.hidden
        return 4 * self.width if self.style == "classic" else -(-8 * self.width // 3 // 32) * 32
