"""GPT-NeoX: style classic with RoPE. Queries, keys and values of all heads become those of each head in turn."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from modou.interop.layouts.base import KINDS, Config, Layout, Part, heads_fill_width
from modou.interop.layouts.keys import TANH, Keys
from modou.settings.model import ModelSettings

_NAMES = {
    "attention_norm": "input_layernorm",
    "feed_forward_norm": "post_attention_layernorm",
    "feed_forward.up": "mlp.dense_h_to_4h",
    "feed_forward.down": "mlp.dense_4h_to_h",
}


def _parts(settings: ModelSettings) -> Iterator[Part]:
    heads, size = settings.heads, settings.head_width

    def by_head(qkv: Tensor) -> Sequence[Tensor]:
        return (qkv.unflatten(0, (3, heads, size)).transpose(0, 1).flatten(0, 2),)

    def by_kind(parts: Sequence[Tensor]) -> Tensor:
        return parts[0].unflatten(0, (heads, 3, size)).transpose(0, 1).flatten(0, 2)

    yield Part("embedding.weight", ("gpt_neox.embed_in.weight",))
    for layer in range(settings.layers):
        ours, theirs = f"blocks.{layer}", f"gpt_neox.layers.{layer}"
        for kind in KINDS:
            may_lack = kind == "bias"
            for old, new in _NAMES.items():
                yield Part(f"{ours}.{old}.{kind}", (f"{theirs}.{new}.{kind}",))
            qkv = f"{theirs}.attention.query_key_value.{kind}"
            yield Part(f"{ours}.attention.qkv.{kind}", (qkv,), by_head, by_kind, optional=may_lack)
            yield Part(f"{ours}.attention.out.{kind}", (f"{theirs}.attention.dense.{kind}",), optional=may_lack)
    for kind in KINDS:
        yield Part(f"norm.{kind}", (f"gpt_neox.final_layer_norm.{kind}",))
    if not settings.tied:
        yield Part("head.weight", ("embed_out.weight",))


def _config(settings: ModelSettings) -> Config:
    """Residuals sequential and heads fully rotated, for transformers 4 and 5."""
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": settings.vocabulary,
        "hidden_size": settings.width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "intermediate_size": settings.feed_forward,
        "hidden_act": "gelu_new",
        "layer_norm_eps": settings.epsilon,
        "max_position_embeddings": settings.context,
        "use_parallel_residual": False,
        "attention_bias": True,
        "attention_dropout": 0.0,
        "hidden_dropout": settings.dropout,
        "rotary_pct": 1.0,
        "rotary_emb_base": settings.rope_base,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": settings.rope_base,
            "partial_rotary_factor": 1.0,
        },
        "tie_word_embeddings": settings.tied,
    }


def _settings(config: Config) -> ModelSettings:
    keys = Keys(config)
    keys.require("use_parallel_residual", True, (False,))
    keys.require("hidden_act", "gelu", TANH)
    keys.require_common()
    keys.require_whole_rotation("rotary_pct", 0.25)
    return ModelSettings.parse(
        {
            "style": "classic",
            "position": "rope",
            "vocabulary": keys.whole("vocab_size", 50432),
            "layers": keys.whole("num_hidden_layers", 44),
            "width": keys.whole("hidden_size", 6144),
            "heads": keys.whole("num_attention_heads", 64),
            "hidden": keys.whole("intermediate_size", 24576),
            "context": keys.whole("max_position_embeddings", 2048),
            "norm_eps": keys.number("layer_norm_eps", 1e-5),
            "rope_base": keys.rope_base("rotary_emb_base"),
            "tied": keys.flag("tie_word_embeddings", False),
        }
    )


def _fits(settings: ModelSettings) -> bool:
    return settings.style == "classic" and settings.position == "rope" and heads_fill_width(settings)


LAYOUT = Layout(
    model_type="gpt_neox",
    causal="GPTNeoXForCausalLM",
    classifier="GPTNeoXForSequenceClassification",
    prefix="gpt_neox.",
    table="gpt_neox.embed_in.weight",
    head="embed_out.weight",
    buffers=r"\.attention\.((masked_)?bias|rotary_emb\.inv_freq)$",
    fits=_fits,
    parts=_parts,
    config=_config,
    settings=_settings,
)
