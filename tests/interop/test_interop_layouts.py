"""Layouts: weights and settings go out and come back the same; what cannot be ours is refused by key and value."""

import pytest
import torch
from model_helpers import random_model, shape

from modou.interop.layouts import layout_for, layout_of

SHAPES = {
    "gpt2": shape("learned", tied=True),
    "gpt2-untied": shape("learned", tied=False),
    "neox": shape("rope", tied=True),
    "neox-untied": shape("rope", tied=False),
    "qwen3": shape("modern", tied=True),
    "qwen3-untied": shape("modern", tied=False),
    "qwen3-grouped": shape("modern", kv_heads=2).changed(hidden=100),
}


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
    told = {"hidden": settings.feed_forward, "kv_heads": back.kv_heads, "dropout": 0.0}
    assert back == settings.changed(**told)
    assert (back.feed_forward, back.key_value_heads) == (settings.feed_forward, settings.key_value_heads)
