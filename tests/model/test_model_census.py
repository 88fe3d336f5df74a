"""The census against real models, torch's operation counter, and what autograd really keeps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_helpers import SHAPES, random_ids
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from modou.model.census import describe
from modou.model.gpt import GPT
from modou.settings.model import ModelSettings

ARTICLE = ModelSettings(
    style="classic",
    position="learned",
    layers=6,
    width=256,
    heads=8,
    context=128,
    vocabulary=8000,
    tied=False,
)


@st.composite
def any_settings(draw: st.DrawFn) -> ModelSettings:
    """A small model of any layout."""
    style = draw(st.sampled_from(["classic", "modern"]))
    kv_heads = draw(st.integers(1, 3))
    heads = kv_heads * draw(st.integers(1, 3))
    head_size = draw(st.sampled_from([0, 2, 10]))
    return ModelSettings(
        style=style,
        position="rope" if style == "modern" else draw(st.sampled_from(["learned", "rope"])),
        vocabulary=draw(st.integers(8, 60)),
        layers=draw(st.integers(1, 4)),
        width=heads * 2 * draw(st.integers(4, 6)) + bool(head_size),
        heads=heads,
        kv_heads=kv_heads if style == "modern" else 0,
        head_size=head_size,
        qk_norm=style == "classic" or draw(st.booleans()),
        hidden=draw(st.sampled_from([0, 17])),
        context=draw(st.integers(4, 40)),
        tied=draw(st.booleans()),
    )


def group_of(name: str) -> str:
    """The census group of a parameter, from its name."""
    if "norm" in name:
        return "norms"
    return next(
        group for group in ("embedding", "positions", "head", "feed_forward", "attention") if group in name.split(".")
    )


@settings(max_examples=40, deadline=None)
@given(any_settings())
def test_every_parameter_is_counted_in_its_group(shape: ModelSettings) -> None:
    model, census = GPT(shape), describe(shape)
    counted = dict.fromkeys(census.parameters, 0)
    multiplied = shape.vocabulary * shape.width
    for name, parameter in model.named_parameters():
        counted[group_of(name)] += parameter.numel()
        multiplied += parameter.numel() if parameter.ndim == 2 and "blocks" in name else 0
    assert census.parameters == counted
    assert census.total == sum(parameter.numel() for parameter in model.parameters())
    assert census.multiplied == multiplied


def test_the_article_s_model_has_the_article_s_size() -> None:
    census = describe(ARTICLE)
    assert census.total == 8_867_840
    assert census.total + ARTICLE.vocabulary == 8_875_840  # the article's head has a bias
    assert sum(parameter.numel() for parameter in GPT(ARTICLE).parameters()) == 8_867_840


@pytest.mark.parametrize("name", SHAPES)
def test_work_is_what_torch_counts(name: str) -> None:
    """A third of the training work is the forward pass, which torch counts operation by operation."""
    shape = SHAPES[name].model_copy(update={"kv_heads": 0})
    model = GPT(shape)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(random_ids(2, shape.context))
    assert 3 * counter.get_total_flops() == 2 * shape.context * describe(shape).flops_per_token


@pytest.mark.parametrize("name", SHAPES)
def test_a_cached_token_takes_the_stated_bytes(name: str) -> None:
    cache = GPT(SHAPES[name]).new_cache(3, 11)
    held = cache.filled_L2BKCS.nbytes
    assert held == 3 * 11 * describe(SHAPES[name]).cache_bytes_per_token


def kept_bytes(model: GPT, ids_BT: Tensor) -> int:
    """Bytes of all storages that autograd keeps for the backward pass, parameters and buffers aside."""
    known = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        pointer = tensor.untyped_storage().data_ptr()
        if pointer not in known:
            kept[pointer] = tensor  # held, so that no later storage takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.hidden(ids_BT)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("name", SHAPES)
def test_activations_are_what_autograd_keeps_to_a_tenth(name: str) -> None:
    shape = SHAPES[name].model_copy(update={"width": 192})
    kept = kept_bytes(GPT(shape), random_ids(2, 32)) / (2 * 32)
    stated = describe(shape).memory.activations_per_token
    print(f"{name}: stated {stated}, kept {kept:.0f}")
    assert stated == pytest.approx(kept, rel=0.1)
