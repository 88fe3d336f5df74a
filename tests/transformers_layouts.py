"""The weights of a GPT under the names, shapes and configuration of transformers.

A state dict and its settings in, tensors and a `config.json` (without the tokenizer's special ids) out.

| modou           | transformers                  | difference                                                |
|-----------------|-------------------------------|-----------------------------------------------------------|
| classic+learned | GPT-2 (GPT2LMHeadModel)       | matrices are stored transposed, [in, out]                 |
| classic+rope    | GPT-NeoX (GPTNeoXForCausalLM) | q, k, v of all heads become q, k, v of each head in turn  |
| modern+rope     | Qwen3 (Qwen3ForCausalLM)      | q, k, v and gate, up become matrices of their own         |
"""

from collections.abc import Mapping

from torch import Tensor

from modou.model.positions import ROPE_BASE
from modou.settings.model import ModelSettings

State = Mapping[str, Tensor]
Config = dict[str, object]
KINDS = ("weight", "bias")
_ROPE: Config = {"rope_type": "default", "rope_theta": ROPE_BASE}


def to_transformers(state: State, settings: ModelSettings) -> tuple[dict[str, Tensor], Config]:
    """Tensors and configuration of the layout that `settings` names; a tied table is there once."""
    if settings.style == "modern":
        return to_qwen3(state, settings), qwen3_config(settings)
    if settings.position == "rope":
        return to_gpt_neox(state, settings), gpt_neox_config(settings)
    return to_gpt2(state, settings), gpt2_config(settings)


def to_gpt2(state: State, settings: ModelSettings) -> dict[str, Tensor]:
    """Names and shapes of GPT-2, whose Conv1D holds the transpose of a linear layer's weight."""
    tensors = {
        "transformer.wte.weight": state["embedding.weight"],
        "transformer.wpe.weight": state["positions.weight"],
    }
    norms = {"attention_norm": "ln_1", "feed_forward_norm": "ln_2"}
    matrices = {
        "attention.qkv": "attn.c_attn",
        "attention.out": "attn.c_proj",
        "feed_forward.up": "mlp.c_fc",
        "feed_forward.down": "mlp.c_proj",
    }
    for kind in KINDS:
        for layer in range(settings.layers):
            ours, theirs = f"blocks.{layer}", f"transformer.h.{layer}"
            for old, new in norms.items():
                tensors[f"{theirs}.{new}.{kind}"] = state[f"{ours}.{old}.{kind}"]
            for old, new in matrices.items():
                tensors[f"{theirs}.{new}.{kind}"] = state[f"{ours}.{old}.{kind}"].t().contiguous()
        tensors[f"transformer.ln_f.{kind}"] = state[f"norm.{kind}"]
    return tensors | _head(state, settings, "lm_head.weight")


def gpt2_config(settings: ModelSettings) -> Config:
    """config.json of a GPT-2; `n_ctx` is for llama.cpp's converter."""
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
        "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": True,
        "resid_pdrop": settings.dropout,
        "embd_pdrop": settings.dropout,
        "attn_pdrop": 0.0,
        "tie_word_embeddings": settings.tied,
    }


def to_gpt_neox(state: State, settings: ModelSettings) -> dict[str, Tensor]:
    """Names and row order of GPT-NeoX; the head is `embed_out`, as its published checkpoints have it."""
    tensors = {"gpt_neox.embed_in.weight": state["embedding.weight"]}
    names = {
        "attention_norm": "input_layernorm",
        "feed_forward_norm": "post_attention_layernorm",
        "attention.out": "attention.dense",
        "feed_forward.up": "mlp.dense_h_to_4h",
        "feed_forward.down": "mlp.dense_4h_to_h",
    }
    for kind in KINDS:
        for layer in range(settings.layers):
            ours, theirs = f"blocks.{layer}", f"gpt_neox.layers.{layer}"
            for old, new in names.items():
                tensors[f"{theirs}.{new}.{kind}"] = state[f"{ours}.{old}.{kind}"]
            qkv = state[f"{ours}.attention.qkv.{kind}"].unflatten(0, (3, settings.heads, settings.head_size))
            tensors[f"{theirs}.attention.query_key_value.{kind}"] = qkv.transpose(0, 1).flatten(0, 2)
        tensors[f"gpt_neox.final_layer_norm.{kind}"] = state[f"norm.{kind}"]
    return tensors | _head(state, settings, "embed_out.weight")


def gpt_neox_config(settings: ModelSettings) -> Config:
    """config.json of a GPT-NeoX, residuals sequential and heads fully rotated, for transformers 4 and 5."""
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": settings.vocabulary,
        "hidden_size": settings.width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "intermediate_size": settings.feed_forward,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": settings.context,
        "use_parallel_residual": False,
        "attention_bias": True,
        "attention_dropout": 0.0,
        "hidden_dropout": settings.dropout,
        "rotary_pct": 1.0,
        "rotary_emb_base": ROPE_BASE,
        "rope_parameters": _ROPE | {"partial_rotary_factor": 1.0},
        "tie_word_embeddings": settings.tied,
    }


def to_qwen3(state: State, settings: ModelSettings) -> dict[str, Tensor]:
    """Names of Qwen3, every matrix by itself."""
    tensors = {
        "model.embed_tokens.weight": state["embedding.weight"],
        "model.norm.weight": state["norm.weight"],
    }
    names = {
        "attention_norm": "input_layernorm",
        "feed_forward_norm": "post_attention_layernorm",
        "attention.query_norm": "self_attn.q_norm",
        "attention.key_norm": "self_attn.k_norm",
        "attention.out": "self_attn.o_proj",
        "feed_forward.down": "mlp.down_proj",
    }
    heads = (settings.heads, settings.key_value_heads, settings.key_value_heads)
    rows = [count * settings.head_size for count in heads]
    for layer in range(settings.layers):
        ours, theirs = f"blocks.{layer}", f"model.layers.{layer}"
        for old, new in names.items():
            tensors[f"{theirs}.{new}.weight"] = state[f"{ours}.{old}.weight"]
        qkv = state[f"{ours}.attention.qkv.weight"].split(rows)
        gate, up = state[f"{ours}.feed_forward.up.weight"].chunk(2)
        parts = dict(zip("qkv", qkv, strict=True))
        for letter, part in parts.items():
            tensors[f"{theirs}.self_attn.{letter}_proj.weight"] = part.clone()
        tensors[f"{theirs}.mlp.gate_proj.weight"] = gate.clone()
        tensors[f"{theirs}.mlp.up_proj.weight"] = up.clone()
    return tensors | _head(state, settings, "lm_head.weight")


def qwen3_config(settings: ModelSettings) -> Config:
    """config.json of a Qwen3, for transformers 4 and 5; `head_dim` would be 128 if left out."""
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": settings.vocabulary,
        "hidden_size": settings.width,
        "intermediate_size": settings.feed_forward,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "num_key_value_heads": settings.key_value_heads,
        "head_dim": settings.head_size,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": settings.context,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_sliding_window": False,
        "rope_theta": ROPE_BASE,
        "rope_parameters": _ROPE,
        "tie_word_embeddings": settings.tied,
    }


def _head(state: State, settings: ModelSettings, name: str) -> dict[str, Tensor]:
    return {} if settings.tied else {name: state["head.weight"]}
