"""Qwen3: style modern. Queries, keys, values, gate and up become matrices of their own."""

from collections.abc import Iterator

from modou.interop.layouts.base import Config, Layout, Part, cut
from modou.interop.layouts.keys import RMS_EPSILON, Keys, unsupported
from modou.settings.model import ROPE_BASE, ModelSettings

_NAMES = {
    "attention_norm": "input_layernorm",
    "feed_forward_norm": "post_attention_layernorm",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "attention.out": "self_attn.o_proj",
    "feed_forward.down": "mlp.down_proj",
}


def _parts(settings: ModelSettings) -> Iterator[Part]:
    heads = (settings.heads, settings.key_value_heads, settings.key_value_heads)
    rows = [count * settings.head_width for count in heads]
    yield Part("embedding.weight", ("model.embed_tokens.weight",))
    for layer in range(settings.layers):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        for old, new in _NAMES.items():
            yield Part(f"{ours}.{old}.weight", (f"{theirs}.{new}.weight",))
        yield cut(f"{ours}.attention.qkv.weight", [f"{theirs}.self_attn.{x}_proj.weight" for x in "qkv"], rows)
        gated = [f"{theirs}.mlp.{name}_proj.weight" for name in ("gate", "up")]
        yield cut(f"{ours}.feed_forward.up.weight", gated, 2 * [settings.feed_forward])
    yield Part("norm.weight", ("model.norm.weight",))
    if not settings.tied:
        yield Part("head.weight", ("lm_head.weight",))


def _config(settings: ModelSettings) -> Config:
    """For transformers 4 and 5; `head_dim` would be 128 if left out."""
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": settings.vocabulary,
        "hidden_size": settings.width,
        "intermediate_size": settings.feed_forward,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "num_key_value_heads": settings.key_value_heads,
        "head_dim": settings.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": RMS_EPSILON,
        "max_position_embeddings": settings.context,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_sliding_window": False,
        "rope_theta": ROPE_BASE,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_BASE},
        "tie_word_embeddings": settings.tied,
    }


def _settings(config: Config) -> ModelSettings:
    keys = Keys(config)
    keys.require("hidden_act", "silu", ("silu",))
    keys.require("attention_bias", False, (False,))
    keys.require("rms_norm_eps", RMS_EPSILON, (RMS_EPSILON,))
    keys.require_common()
    context = keys.whole("max_position_embeddings", 32768)
    if keys.flag("use_sliding_window", False):
        keys.require_long_window("sliding_window", 4096, context)
    base = keys.rope_base("rope_theta", None, 1.0)
    if base != ROPE_BASE:
        raise unsupported("rope_theta", base, ROPE_BASE)
    width, heads = keys.whole("hidden_size", 4096), keys.whole("num_attention_heads", 32)
    size = keys.whole("head_dim", 128)
    if size * heads != width:
        raise unsupported("head_dim", size, f"{width} / {heads}")
    return ModelSettings.parse(
        {
            "style": "modern",
            "position": "rope",
            "vocabulary": keys.whole("vocab_size", 151936),
            "layers": keys.whole("num_hidden_layers", 32),
            "width": width,
            "heads": heads,
            "kv_heads": keys.whole("num_key_value_heads", heads),
            "hidden": keys.whole("intermediate_size", 22016),
            "context": context,
            "tied": keys.flag("tie_word_embeddings", False),
        }
    )


LAYOUT = Layout(
    model_type="qwen3",
    causal="Qwen3ForCausalLM",
    classifier="Qwen3ForSequenceClassification",
    prefix="model.",
    table="model.embed_tokens.weight",
    head="lm_head.weight",
    buffers=r"\.rotary_emb\.inv_freq$",
    fits=lambda settings: settings.style == "modern",
    parts=_parts,
    config=_config,
    settings=_settings,
)
