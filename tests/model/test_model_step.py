"""The fast step is the model: equal logits and cache in every layout, and the ordinary way where it is not plain."""

import pytest
import torch
from closeness import EXACT, assert_close_sums
from model_helpers import SHAPES, random_ids, random_model
from torch import nn

from modou.model.step import OneToken, next_logits, optimize_memory_layout


@pytest.mark.parametrize("layout", SHAPES)
@pytest.mark.parametrize("batch", [1, 3])
@torch.inference_mode()
def test_step_equals_the_model(layout: str, batch: int) -> None:
    model = random_model(SHAPES[layout]).double()
    ids_BT = random_ids(batch, 12)
    cache, expected_cache = model.new_cache(batch, 20), model.new_cache(batch, 20)
    model.hidden(ids_BT[:, :5], cache)
    model.hidden(ids_BT[:, :5], expected_cache)
    step = next_logits(model, cache)
    assert isinstance(step, OneToken)
    for position in range(5, 12):
        expected_BTV = model(ids_BT[:, position : position + 1], expected_cache)
        torch.testing.assert_close(step(ids_BT[:, position]), expected_BTV[:, 0], rtol=0, atol=EXACT)
    assert cache.length == expected_cache.length
    torch.testing.assert_close(cache.filled_L2BKCS, expected_cache.filled_L2BKCS, rtol=0, atol=EXACT)


class Doubled(nn.Linear):
    """An adapter in the place of a layer."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


@torch.inference_mode()
def test_an_adapted_or_hooked_model_goes_the_ordinary_way() -> None:
    for change in ("adapter", "hook"):
        model = random_model(SHAPES["modern"]).double()
        ids_BT = random_ids(2, 1)
        before = model(ids_BT)
        if change == "adapter":
            linear = model.blocks[0].attention.out
            model.blocks[0].attention.out = Doubled(linear.in_features, linear.out_features, bias=False).double()
        else:
            model.blocks[0].attention.out.register_forward_hook(lambda _module, _input, output: 2 * output)
        step = next_logits(model, model.new_cache(2, 4))
        assert not isinstance(step, OneToken)
        after_BV = step(ids_BT[:, 0])
        torch.testing.assert_close(after_BV, model(ids_BT)[:, 0])
        assert not torch.allclose(after_BV, before[:, 0])


@pytest.mark.parametrize("layout", SHAPES)
def test_stored_for_reading_it_is_the_same_model(layout: str) -> None:
    model = random_model(SHAPES[layout])
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    ids_BT = random_ids(2, 5)
    with torch.inference_mode():
        expected_BTV = model(ids_BT)
    optimize_memory_layout(model)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) and parameter.shape == before[name].shape
        multiplied = parameter.ndim == 2 and (name.startswith("blocks.") or parameter is model.head_VD)
        assert (parameter.T if multiplied else parameter).is_contiguous()
    with torch.inference_mode():
        assert_close_sums(model(ids_BT), expected_BTV)  # the pages hold float32
        step = next_logits(model, model.new_cache(2, 5))
        for position in range(5):
            assert_close_sums(step(ids_BT[:, position]), expected_BTV[:, position])
