"""Llama: style modern without QK-norm. Queries, keys, values, gate and up become matrices of their own.

Qwen3 is the same with QK-norm, so that most of this is shared.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from modou.interop.layouts.base import Config, Layout, Part, cut
from modou.interop.layouts.keys import Keys
from modou.settings.model import ModelSettings

_NAMES = {
    "attention_norm": "input_layernorm",
    "feed_forward_norm": "post_attention_layernorm",
    "attention.out": "self_attn.o_proj",
    "feed_forward.down": "mlp.down_proj",
}
_QK_NORM = {"attention.query_norm": "self_attn.q_norm", "attention.key_norm": "self_attn.k_norm"}


def parts(settings: ModelSettings) -> Iterator[Part]:
    """See `Layout.parts`."""
    rows = [count * settings.head_width for count in (settings.heads, *2 * (settings.key_value_heads,))]
    yield Part("embedding.weight", ("model.embed_tokens.weight",))
    for layer in range(settings.layers):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        for old, new in (_NAMES | (_QK_NORM if settings.qk_norm else {})).items():
            yield Part(f"{ours}.{old}.weight", (f"{theirs}.{new}.weight",))
        yield cut(f"{ours}.attention.qkv.weight", [f"{theirs}.self_attn.{x}_proj.weight" for x in "qkv"], rows)
        gated = [f"{theirs}.mlp.{name}_proj.weight" for name in ("gate", "up")]
        yield cut(f"{ours}.feed_forward.up.weight", gated, 2 * [settings.feed_forward])
    yield Part("norm.weight", ("model.norm.weight",))
    if not settings.tied:
        yield Part("head.weight", ("lm_head.weight",))


def config(settings: ModelSettings) -> Config:
    """What both have, for transformers 4 and 5; Qwen3's `head_dim` would be 128 if left out."""
    return {
        "vocab_size": settings.vocabulary,
        "hidden_size": settings.width,
        "intermediate_size": settings.feed_forward,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "num_key_value_heads": settings.key_value_heads,
        "head_dim": settings.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": settings.epsilon,
        "max_position_embeddings": settings.context,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "rope_theta": settings.rope_base,
        "rope_parameters": {"rope_type": "default", "rope_theta": settings.rope_base},
        "tie_word_embeddings": settings.tied,
    }


@dataclass(frozen=True)
class Defaults:
    """What a missing key means."""

    vocabulary: int
    hidden: int
    context: int
    head_size: int = 0
    """0 = width / heads."""
    kv_heads: int = 0
    """0 = as many as heads, which is also what null means."""


def settings(keys: Keys, defaults: Defaults, qk_norm: bool) -> ModelSettings:
    """The inverse of `config`. UserError: see `Layout.settings`."""
    keys.require("hidden_act", "silu", ("silu",))
    keys.require("attention_bias", False, (False,))
    keys.require_common()
    width, heads = keys.whole("hidden_size", 4096), keys.whole("num_attention_heads", 32)
    size = keys.whole("head_dim", defaults.head_size or max(1, width // heads))
    kv_heads = heads if keys.is_null("num_key_value_heads") else defaults.kv_heads or heads
    return ModelSettings.parse(
        {
            "style": "modern",
            "position": "rope",
            "vocabulary": keys.whole("vocab_size", defaults.vocabulary),
            "layers": keys.whole("num_hidden_layers", 32),
            "width": width,
            "heads": heads,
            "kv_heads": keys.whole("num_key_value_heads", kv_heads),
            "head_size": 0 if size * heads == width else size,
            "hidden": keys.whole("intermediate_size", defaults.hidden),
            "context": keys.whole("max_position_embeddings", defaults.context),
            "norm_eps": keys.number("rms_norm_eps", 1e-6),
            "qk_norm": qk_norm,
            "rope_base": keys.rope_base("rope_theta"),
            "tied": keys.flag("tie_word_embeddings", False),
        }
    )


def _config(settings: ModelSettings) -> Config:
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **config(settings), "mlp_bias": False}


def _settings(config: Config) -> ModelSettings:
    keys = Keys(config)
    keys.require("mlp_bias", False, (False,))
    return settings(keys, Defaults(32_000, 11_008, 2048), qk_norm=False)


LAYOUT = Layout(
    model_type="llama",
    causal="LlamaForCausalLM",
    classifier="LlamaForSequenceClassification",
    prefix="model.",
    table="model.embed_tokens.weight",
    head="lm_head.weight",
    buffers=r"\.rotary_emb\.inv_freq$",
    fits=lambda settings: settings.style == "modern" and not settings.qk_norm,
    parts=parts,
    config=_config,
    settings=_settings,
)
