"""Layouts: weights and settings go out and come back the same; what cannot be ours is refused by key and value."""

from typing import Any

import pytest
import torch
from model_helpers import random_model, shape

from modou.interop.layouts import LAYOUTS, layout_for, layout_of
from modou.messages import UserError
from modou.model.gpt import plain_gpt
from modou.settings.model import ModelSettings

transformers = pytest.importorskip("transformers")

SHAPES = {
    "gpt2": shape("learned", tied=True),
    "gpt2-untied": shape("learned", tied=False).changed(norm_eps=1e-4, hidden=100),
    "neox": shape("rope", tied=True).changed(rope_base=700, norm_eps=1e-3),
    "neox-untied": shape("rope", tied=False),
    "qwen3": shape("modern", tied=True),
    "qwen3-untied": shape("modern", tied=False, kv_heads=1),
    "qwen3-wide": shape("modern", kv_heads=2).changed(hidden=100, head_size=20, rope_base=1e6, norm_eps=1e-4),
    "llama": shape("modern").changed(qk_norm=False, norm_eps=1e-5),
    "llama-untied": shape("modern", tied=False, kv_heads=3).changed(qk_norm=False, head_size=4, rope_base=500_000),
}
GPT2 = {"model_type": "gpt2", "n_embd": 48, "n_head": 6, "n_layer": 2, "n_positions": 32, "vocab_size": 97}
SIZES = {"hidden_size": 48, "num_attention_heads": 6, "num_hidden_layers": 2, "intermediate_size": 64, "vocab_size": 97}
NEOX = SIZES | {"model_type": "gpt_neox", "use_parallel_residual": False, "hidden_act": "gelu_new", "rotary_pct": 1.0}
LLAMA = SIZES | {"model_type": "llama", "max_position_embeddings": 32}
QWEN3 = LLAMA | {"model_type": "qwen3", "head_dim": 8, "num_key_value_heads": 6}
WINDOWED = {"use_sliding_window": True, "max_window_layers": 0}


def same_bits(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("name", SHAPES)
def test_weights_come_back_bit_for_bit(name: str) -> None:
    settings = SHAPES[name]
    weights, layout = random_model(settings).state_dict(), layout_of(settings)
    assert same_bits(layout.weights(layout.tensors(weights, settings), settings), dict(weights))


@pytest.mark.parametrize("name", SHAPES)
def test_settings_come_back(name: str) -> None:
    settings = SHAPES[name]
    config = layout_of(settings).config(settings)
    back = layout_for(config).settings(config)
    told = {"hidden": settings.feed_forward, "kv_heads": back.kv_heads, "norm_eps": settings.epsilon, "dropout": 0.0}
    assert back == settings.changed(**told)
    assert (back.feed_forward, back.key_value_heads) == (settings.feed_forward, settings.key_value_heads)


# Random models of transformers, as it saves them.
FOREIGN: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2", GPT2 | {"n_inner": 100, "layer_norm_epsilon": 1e-4, "reorder_and_upcast_attn": True}),
    "gpt2-odd-heads": ("GPT2", GPT2 | {"n_embd": 45, "n_head": 5, "activation_function": "gelu_pytorch_tanh"}),
    "gpt2-untied": ("GPT2", GPT2 | {"tie_word_embeddings": False, "resid_pdrop": 0.3}),
    "neox": ("GPTNeoX", NEOX | {"rotary_emb_base": 777, "layer_norm_eps": 1e-4}),
    "neox-no-bias": ("GPTNeoX", NEOX | {"attention_bias": False, "tie_word_embeddings": True}),
    "llama": ("Llama", LLAMA | {"rms_norm_eps": 1e-5, "rope_theta": 500_000.0, "num_key_value_heads": 2}),
    "llama-head": ("Llama", LLAMA | {"head_dim": 10, "tie_word_embeddings": True}),
    "qwen3": ("Qwen3", QWEN3 | {"num_key_value_heads": 3, "head_dim": 16, "rope_theta": 1e6}),
    "qwen3-windows": ("Qwen3", QWEN3 | WINDOWED | {"sliding_window": 32}),
    "qwen3-no-window": ("Qwen3", QWEN3 | {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2}),
}


@pytest.mark.parametrize("name", FOREIGN)
@torch.no_grad()
def test_models_of_transformers_come_in(name: str) -> None:
    kind, values = FOREIGN[name]
    torch.manual_seed(4)
    config = getattr(transformers, f"{kind}Config")(**{key: one for key, one in values.items() if key != "model_type"})
    theirs = getattr(transformers, layout_for(values).causal)(config).eval()
    for parameter in theirs.parameters():
        parameter.normal_(std=0.3)
    told, tensors = config.to_dict(), theirs.state_dict()
    layout = layout_for(told)
    settings = layout.settings(told)
    assert settings == layout.settings(values)  # as written by hand, in the spelling of earlier versions
    ours = plain_gpt(settings, layout.weights(tensors, settings)).eval()
    ids_BT = torch.randint(97, (2, 32), generator=torch.Generator().manual_seed(1))
    expected_BTV = theirs(ids_BT).logits
    assert (ours(ids_BT) - expected_BTV).abs().max() < 1e-4 * expected_BTV.abs().max()


YARN = {"rope_type": "yarn", "factor": 4.0}
REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (GPT2, {"activation_function": "gelu"}, "activation_function gelu"),
    (GPT2, {"activation_function": "relu"}, "activation_function relu"),
    (GPT2, {"scale_attn_weights": False}, "scale_attn_weights false"),
    (GPT2, {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx true"),
    (GPT2, {"add_cross_attention": True}, "add_cross_attention true"),
    (GPT2, {"quantization_config": {"bits": 4}}, 'quantization_config {"bits": 4}'),
    (NEOX, {"use_parallel_residual": None}, "use_parallel_residual true"),
    (NEOX, {"use_parallel_residual": True}, "use_parallel_residual true"),
    (NEOX, {"hidden_act": None}, "hidden_act gelu"),
    (NEOX, {"rotary_pct": None}, "rotary_pct 0.25"),
    (NEOX, {"rope_parameters": {"partial_rotary_factor": 0.5}}, "rotary_pct 0.5"),
    (NEOX, {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling type linear"),
    (LLAMA, {"rope_scaling": YARN}, "rope_scaling type yarn is not supported"),
    (LLAMA, {"rope_parameters": YARN}, "rope_parameters type yarn"),
    (LLAMA, {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rope_scaling type llama3"),
    (LLAMA, {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_scaling type dynamic"),
    (LLAMA, {"rope_parameters": {"full_attention": {"rope_theta": 5.0}}}, 'rope_parameters {"full_attention": {"'),
    (LLAMA, {"attention_bias": True}, "attention_bias true"),
    (LLAMA, {"mlp_bias": True}, "mlp_bias true"),
    (LLAMA, {"hidden_act": "gelu"}, "hidden_act gelu"),
    (QWEN3, WINDOWED | {"sliding_window": 16}, "sliding_window 16"),
    (QWEN3, {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types full_attention, sliding_attention"),
    (QWEN3, WINDOWED | {"sliding_window": 16, "layer_types": ["sliding_attention"] * 2}, "sliding_window 16"),
    (QWEN3, {"attention_bias": True}, "attention_bias true"),
    (QWEN3, {"model_type": "qwen3_moe"}, "model_type qwen3_moe"),
    (QWEN3, {"model_type": None}, "model_type None"),
    (QWEN3, {"model_type": ["qwen3"]}, "model_type"),
    (LLAMA, {"hidden_size": "48"}, 'hidden_size cannot be "48"'),
    (LLAMA, {"hidden_size": True}, "hidden_size cannot be true"),
    (LLAMA, {"hidden_size": -48}, "hidden_size cannot be -48"),
    (LLAMA, {"hidden_size": 10**40}, "hidden_size cannot be 1000"),
    (LLAMA, {"hidden_size": 10**5000}, "hidden_size cannot be …"),
    (LLAMA, {"num_hidden_layers": 10**6}, "layers = 1000000"),
    (LLAMA, {"num_key_value_heads": 4}, "kv_heads"),
    (LLAMA, {"rms_norm_eps": "small"}, 'rms_norm_eps cannot be "small"'),
    (LLAMA, {"rms_norm_eps": 0}, "rms_norm_eps cannot be 0"),
    (LLAMA, {"rope_theta": float("nan")}, "rope_theta cannot be NaN"),
    (LLAMA, {"rope_scaling": "yarn"}, 'rope_scaling cannot be "yarn"'),
    (LLAMA, {"tie_word_embeddings": "yes"}, 'tie_word_embeddings cannot be "yes"'),
    (QWEN3, {"layer_types": [1, 2]}, "layer_types cannot be"),
]


@pytest.mark.parametrize(("config", "change", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_cannot_be_ours_is_refused_by_key_and_value(
    config: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    changed = config | change
    with pytest.raises(UserError) as error:
        layout_for(changed).settings(changed)
    assert said in str(error.value) and "\n" not in str(error.value)


MISSING: dict[str, dict[str, Any]] = {
    "gpt2": {"vocabulary": 50_257, "layers": 12, "width": 768, "heads": 12, "context": 1024, "tied": True},
    "gpt_neox": {"vocabulary": 50_432, "layers": 44, "width": 6144, "heads": 64, "context": 2048, "tied": False},
    "llama": {"vocabulary": 32_000, "layers": 32, "width": 4096, "heads": 32, "context": 2048, "tied": False},
    "qwen3": {"vocabulary": 151_936, "layers": 32, "width": 4096, "heads": 32, "context": 32_768, "tied": False},
}


@pytest.mark.parametrize("model_type", LAYOUTS)
def test_missing_keys_are_the_classs_defaults(model_type: str) -> None:
    needed = {key: NEOX[key] for key in ("use_parallel_residual", "hidden_act", "rotary_pct")}
    found = LAYOUTS[model_type].settings(needed if model_type == "gpt_neox" else {})
    assert {name: getattr(found, name) for name in MISSING[model_type]} == MISSING[model_type]
    theirs = transformers.AutoConfig.for_model(model_type)
    assert found.feed_forward == getattr(theirs, "intermediate_size", 4 * 768)
    assert found.key_value_heads == getattr(theirs, "num_key_value_heads", found.heads)
    assert found.head_width == getattr(theirs, "head_dim", found.width // found.heads)
    eps = next(key for key in ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon") if hasattr(theirs, key))
    assert found.epsilon == getattr(theirs, eps)


def test_a_missing_a_surplus_and_a_wrong_tensor_are_named() -> None:
    settings = SHAPES["qwen3"]
    layout = layout_of(settings)
    tensors = layout.tensors(random_model(settings).state_dict(), settings)
    last = "model.layers.2.mlp.down_proj.weight"
    with pytest.raises(UserError, match=rf"lack the tensors {last}"):
        layout.weights({name: one for name, one in tensors.items() if name != last}, settings)
    with pytest.raises(UserError, match=r"model\.layers\.0\.mlp\.experts"):
        layout.weights({**tensors, "model.layers.0.mlp.experts": torch.zeros(3)}, settings)
    with pytest.raises(UserError, match=r"down_proj.*\(48, 47\).*\(48, 128\)"):
        layout.weights({**tensors, last: torch.zeros(48, 47)}, settings)


def test_files_of_the_bare_network_with_buffers_and_a_copy_of_the_table_come_in() -> None:
    settings = SHAPES["gpt2"]
    layout, weights = layout_of(settings), random_model(SHAPES["gpt2"]).state_dict()
    tensors = layout.tensors(weights, settings)
    bare = {name.removeprefix("transformer."): one for name, one in tensors.items()}
    bare |= {"h.0.attn.bias": torch.ones(1, 1, 32, 32), "h.1.attn.masked_bias": torch.tensor(-1e4)}
    assert same_bits(layout.weights(bare, settings), dict(weights))
    copied = {**tensors, "lm_head.weight": tensors["transformer.wte.weight"].clone()}
    assert same_bits(layout.weights(copied, settings), dict(weights))
    with pytest.raises(UserError, match=r"lm_head\.weight"):
        layout.weights({**copied, "lm_head.weight": torch.ones(97, 48)}, settings)


def test_a_shape_that_no_library_has_is_refused() -> None:
    odd = ModelSettings(style="classic", position="learned", width=45, heads=6, head_size=7)
    with pytest.raises(UserError, match=r"45 / 6, not 7"):
        layout_of(odd)
