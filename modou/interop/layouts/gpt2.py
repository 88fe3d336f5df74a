"""GPT-2: style classic with learned positions. Matrices are stored transposed, (in, out)."""

from collections.abc import Iterator

from modou.interop.layouts.base import KINDS, Config, Layout, Part, heads_fill_width
from modou.interop.layouts.keys import TANH, Keys
from modou.settings.model import ModelSettings

_NORMS = {"attention_norm": "ln_1", "feed_forward_norm": "ln_2"}
_MATRICES = {
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "feed_forward.up": "mlp.c_fc",
    "feed_forward.down": "mlp.c_proj",
}


def _parts(settings: ModelSettings) -> Iterator[Part]:
    yield Part("embedding.weight", ("transformer.wte.weight",))
    yield Part("positions.weight", ("transformer.wpe.weight",))
    for layer in range(settings.layers):
        ours, theirs = f"blocks.{layer}", f"transformer.h.{layer}"
        for kind in KINDS:
            for old, new in _NORMS.items():
                yield Part(f"{ours}.{old}.{kind}", (f"{theirs}.{new}.{kind}",))
            for old, new in _MATRICES.items():
                yield Part(f"{ours}.{old}.{kind}", (f"{theirs}.{new}.{kind}",), transposed=kind == "weight")
    for kind in KINDS:
        yield Part(f"norm.{kind}", (f"transformer.ln_f.{kind}",))
    if not settings.tied:
        yield Part("head.weight", ("lm_head.weight",))


def _config(settings: ModelSettings) -> Config:
    """`n_ctx` is for llama.cpp's converter."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": settings.vocabulary,
        "n_positions": settings.context,
        "n_ctx": settings.context,
        "n_embd": settings.width,
        "n_layer": settings.layers,
        "n_head": settings.heads,
        "n_inner": settings.feed_forward,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": settings.epsilon,
        "scale_attn_weights": True,
        "resid_pdrop": settings.dropout,
        "embd_pdrop": settings.dropout,
        "attn_pdrop": 0.0,
        "tie_word_embeddings": settings.tied,
    }


def _settings(config: Config) -> ModelSettings:
    keys = Keys(config)
    keys.require("activation_function", "gelu_new", TANH)
    keys.require("scale_attn_weights", True, (True,))
    keys.require("scale_attn_by_inverse_layer_idx", False, (False,))
    keys.require_common()
    width = keys.whole("n_embd", 768)
    return ModelSettings.parse(
        {
            "style": "classic",
            "position": "learned",
            "vocabulary": keys.whole("vocab_size", 50257),
            "layers": keys.whole("n_layer", 12),
            "width": width,
            "heads": keys.whole("n_head", 12),
            "hidden": keys.whole("n_inner", 4 * width),
            "context": keys.whole("n_positions", 1024),
            "norm_eps": keys.number("layer_norm_epsilon", 1e-5),
            "tied": keys.flag("tie_word_embeddings", True),
        }
    )


LAYOUT = Layout(
    model_type="gpt2",
    causal="GPT2LMHeadModel",
    classifier="GPT2ForSequenceClassification",
    prefix="transformer.",
    table="transformer.wte.weight",
    head="lm_head.weight",
    buffers=r"\.attn\.(masked_)?bias$",
    fits=lambda settings: settings.position == "learned" and heads_fill_width(settings),
    parts=_parts,
    config=_config,
    settings=_settings,
)
