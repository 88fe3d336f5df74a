"""The key-value cache: any cut of a text into pieces gives the scores of the whole."""

import pytest
import torch
from closeness import EXACT, assert_close_sums
from hypothesis import given, settings
from hypothesis import strategies as st
from model_helpers import SHAPES, VOCABULARY, random_ids, random_model
from torch import Tensor

from modou.model.cache import KVCache
from modou.model.gpt import GPT

MODELS = {name: random_model(shape).double() for name, shape in SHAPES.items()}
NAMES = st.sampled_from(list(MODELS))


def in_pieces(model: GPT, ids_BT: Tensor, sizes: list[int], cache: KVCache) -> Tensor:
    """Scores of all positions, computed piece by piece through the cache."""
    return torch.cat([model(piece_BT, cache) for piece_BT in ids_BT.split(sizes, dim=1)], dim=1)


@settings(max_examples=60, deadline=None)
@given(NAMES, st.integers(0, 2**31), st.integers(1, 3), st.lists(st.integers(1, 9), min_size=1, max_size=6))
@torch.no_grad()
def test_cached_equals_uncached(name: str, seed: int, batch: int, sizes: list[int]) -> None:
    model = MODELS[name]
    while sum(sizes) > model.settings.context:
        sizes.pop()
    ids_BT = random_ids(batch, sum(sizes), seed)
    cache = model.new_cache(batch, model.settings.context)
    whole_BTV = model(ids_BT)
    assert torch.allclose(in_pieces(model, ids_BT, sizes, cache), whole_BTV, atol=EXACT)
    assert cache.length == sum(sizes)


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_freshly_initialised_models_agree_in_float32(name: str) -> None:
    torch.manual_seed(0)
    model = GPT(SHAPES[name]).eval()
    ids_BT = random_ids(2, 32)
    assert_close_sums(in_pieces(model, ids_BT, [1] * 32, model.new_cache(2, 32)), model(ids_BT))


@settings(max_examples=30, deadline=None)
@given(NAMES, st.lists(st.integers(0, 2), min_size=1, max_size=5))
@torch.no_grad()
def test_selected_rows_go_on_by_themselves(name: str, rows: list[int]) -> None:
    model = MODELS[name]
    ids_BT, next_BT = random_ids(3, 6), random_ids(len(rows), 4, seed=1)
    cache = model.new_cache(3, 16)
    model(ids_BT, cache)
    chosen = cache.select(torch.tensor(rows))
    expected_BTV = model(torch.cat((ids_BT[rows], next_BT), dim=1))[:, 6:]
    assert torch.allclose(model(next_BT, chosen), expected_BTV, atol=EXACT)
    assert (cache.length, chosen.length, chosen.batch) == (6, 10, len(rows))  # the first is untouched


@torch.no_grad()
def test_misuse_is_refused() -> None:
    model = MODELS["rope"]
    cache = model.new_cache(1, 4)
    with pytest.raises(ValueError, match="holds 4 positions, not 5"):
        model(random_ids(1, 5), cache)


@torch.no_grad()
def test_rope_cache_may_be_longer_than_the_trained_context() -> None:
    model = MODELS["modern"]
    ids_BT = random_ids(1, 80)
    cached_BTV = in_pieces(model, ids_BT, [30, 1, 1, 20, 28], model.new_cache(1, 80))
    assert torch.allclose(cached_BTV, model(ids_BT), atol=EXACT)
    assert cached_BTV.shape == (1, 80, VOCABULARY)
