"""Our GPT and transformers' models compute the same from the same weights, loaded as users load them."""

import json
from pathlib import Path

import pytest
import torch
from closeness import assert_close_sums
from model_helpers import random_ids, random_model, shape
from safetensors.torch import save_file

from modou.interop.layouts import layout_of
from modou.settings.model import ModelSettings

transformers = pytest.importorskip("transformers")

CASES = {
    "gpt2": shape("learned", tied=True),
    "gpt2-untied": shape("learned", tied=False),
    "neox": shape("rope", tied=True),
    "neox-untied": shape("rope", tied=False),
    "qwen3": shape("modern", tied=True),
    "qwen3-untied": shape("modern", tied=False),
    "qwen3-grouped": shape("modern", tied=True, kv_heads=2),
    "qwen3-one-key": shape("modern", tied=False, kv_heads=1),
    "qwen3-hidden": shape("modern", kv_heads=3).changed(hidden=100),
    "qwen3-wide": shape("modern", kv_heads=2).changed(head_size=20, norm_eps=1e-3, rope_base=1e6),
    "llama": shape("modern", tied=True).changed(qk_norm=False, norm_eps=1e-5),
    "llama-grouped": shape("modern", tied=False, kv_heads=2).changed(qk_norm=False, rope_base=500_000),
    "llama-small": shape("modern", kv_heads=2).changed(qk_norm=False, norm_eps=1e-5, rope_base=100_000),
    "llama-narrow": shape("modern").changed(qk_norm=False, norm_eps=1e-2, head_size=6),
    "neox-base": shape("rope").changed(norm_eps=0.01, rope_base=700),
    "gpt2-eps": shape("learned").changed(norm_eps=0.037),
}
TOKENS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}


def load_theirs(folder: Path, settings: ModelSettings) -> torch.nn.Module:
    """Writes a folder and opens it with AutoModelForCausalLM; every name must have found its place."""
    layout = layout_of(settings)
    tensors, config = layout.tensors(random_model(settings).state_dict(), settings), layout.config(settings)
    (folder / "config.json").write_text(json.dumps(config | TOKENS), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert [type(model).__name__] == config["architectures"]
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return model.eval()


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_logits_equal_those_of_transformers(name: str, tmp_path: Path) -> None:
    settings = CASES[name]
    ours, theirs = random_model(settings), load_theirs(tmp_path, settings)
    for length in (1, 2, 7, 19, settings.context):
        ids_BT = random_ids(3, length, seed=length)
        expected_BTV = theirs(ids_BT).logits
        assert expected_BTV.std() > 0.5  # scores that could differ
        assert_close_sums(ours(ids_BT), expected_BTV)  # transformers norms in float32, whatever the model is in


@pytest.mark.parametrize("name", ["gpt2", "neox-untied", "qwen3-grouped"])
@torch.no_grad()
def test_greedy_continuations_equal_those_of_transformers(name: str, tmp_path: Path) -> None:
    settings = CASES[name]
    ours, theirs = random_model(settings), load_theirs(tmp_path, settings)
    ids_BT = random_ids(2, 5)
    length = settings.context
    expected_BT = theirs.generate(
        ids_BT,
        attention_mask=torch.ones_like(ids_BT),
        do_sample=False,
        min_length=length,
        max_length=length,
        eos_token_id=None,
    )
    cache = ours.new_cache(2, length)
    new_BT = ids_BT
    while cache.length < length - 1:
        new_BT = ours(new_BT, cache)[:, -1:].argmax(-1)
        ids_BT = torch.cat((ids_BT, new_BT), dim=1)
    assert torch.equal(ids_BT, expected_BT)


@pytest.mark.parametrize("name", CASES)
def test_layouts_lose_nothing(name: str) -> None:
    model = random_model(CASES[name])
    tensors = layout_of(model.settings).tensors(model.state_dict(), model.settings)
    assert sum(tensor.numel() for tensor in tensors.values()) == sum(p.numel() for p in model.parameters())
    assert all(tensor.is_contiguous() for tensor in tensors.values())
