"""Qwen3: style modern with QK-norm; the rest is Llama's."""

from modou.interop.layouts import llama
from modou.interop.layouts.base import Config, Layout
from modou.interop.layouts.keys import Keys, unsupported
from modou.settings.model import ModelSettings

_DEFAULTS = llama.Defaults(151_936, 22_016, 32_768, head_size=128, kv_heads=32)


def _config(settings: ModelSettings) -> Config:
    named: Config = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
    return named | llama.config(settings) | {"use_sliding_window": False}


def _settings(config: Config) -> ModelSettings:
    keys = Keys(config)
    _require_whole_attention(keys)
    return llama.settings(keys, _DEFAULTS, qk_norm=True)


def _require_whole_attention(keys: Keys) -> None:
    """UserError where a layer attends to less than the context."""
    windowed = keys.flag("use_sliding_window", False) and not keys.is_null("sliding_window")
    sliding = keys.whole("num_hidden_layers", 32) > keys.whole("max_window_layers", 28, 0)
    kinds = keys.names("layer_types")
    if kinds is not None:
        sliding = any(kind != "full_attention" for kind in kinds)
        if sliding and not windowed:
            raise unsupported("layer_types", ", ".join(dict.fromkeys(kinds)), "full_attention")
    window, context = keys.whole("sliding_window", 4096), keys.whole("max_position_embeddings", _DEFAULTS.context)
    if windowed and sliding and window < context:
        raise unsupported("sliding_window", window, f"≥ {context}")


LAYOUT = Layout(
    model_type="qwen3",
    causal="Qwen3ForCausalLM",
    classifier="Qwen3ForSequenceClassification",
    prefix="model.",
    table="model.embed_tokens.weight",
    head="lm_head.weight",
    buffers=r"\.rotary_emb\.inv_freq$",
    fits=lambda settings: settings.style == "modern" and settings.qk_norm,
    parts=llama.parts,
    config=_config,
    settings=_settings,
)
