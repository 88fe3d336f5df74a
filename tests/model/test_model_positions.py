"""Rotary positions: relative, length-preserving, and the same as multiplying complex numbers."""

import pytest
import torch
from closeness import EXACT, ROUNDING, assert_close_sums
from hypothesis import given, settings
from hypothesis import strategies as st
from model_helpers import SHAPES, random_ids, random_model
from torch import Tensor

from modou.model.positions import rotary_angles, rotary_table, rotate, sinusoid_table

SIZES = st.sampled_from([2, 4, 16, 64])
SEEDS = st.integers(0, 2**31)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def turned(vector_S: Tensor, position: int) -> Tensor:
    """One vector, turned to one position."""
    return rotate(vector_S.view(1, 1, 1, -1), rotary_table(position + 1, len(vector_S), 10_000.0)[:, position:])[
        0, 0, 0
    ]


@settings(max_examples=60, deadline=None)
@given(SIZES, SEEDS, st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_a_score_depends_on_the_distance_only(size: int, seed: int, one: int, two: int, shift: int) -> None:
    query_S, key_S = random(2, size, seed=seed)
    here = turned(query_S, one) @ turned(key_S, two)
    there = turned(query_S, one + shift) @ turned(key_S, two + shift)
    assert torch.allclose(here, there, rtol=0, atol=1e-6 * float(query_S.norm() * key_S.norm()))  # a float32 table


@settings(max_examples=40, deadline=None)
@given(SIZES, SEEDS, st.integers(1, 200), st.sampled_from([100.0, 10_000.0, 1e6]))
def test_rotation_is_multiplication_by_a_complex_number(size: int, seed: int, length: int, base: float) -> None:
    x_BHTS = random(2, 3, length, size, seed=seed)
    plane_BHTR = torch.complex(*x_BHTS.chunk(2, dim=-1))
    frequency_R = base ** (-torch.arange(size // 2).double() * 2 / size)
    turn_TR = torch.exp(1j * torch.outer(torch.arange(length).double(), frequency_R))
    product_BHTR = plane_BHTR * turn_TR
    expected_BHTS = torch.cat((product_BHTR.real, product_BHTR.imag), dim=-1)
    found_BHTS = rotate(x_BHTS, rotary_table(length, size, base))
    assert_close_sums(found_BHTS, expected_BHTS, x_BHTS.abs().max().item(), share=1e-6)  # the table is float32


@settings(max_examples=20, deadline=None)
@given(SIZES, SEEDS, st.integers(1, 200))
def test_rotation_keeps_lengths_and_leaves_position_zero(size: int, seed: int, length: int) -> None:
    x_BHTS = random(1, 2, length, size, seed=seed)
    turned_BHTS = rotate(x_BHTS, rotary_table(length, size, 10_000.0))
    assert torch.allclose(turned_BHTS.norm(dim=-1), x_BHTS.norm(dim=-1), atol=1e-6)
    assert torch.equal(turned_BHTS[:, :, 0], x_BHTS[:, :, 0])


def test_distant_angles_are_exact() -> None:
    """Angles are made in float64: in float32 a position of a million is off by hundredths of a radian."""
    angles_TR = rotary_angles(1_000_001, 8, 10_000.0)
    assert angles_TR.dtype == torch.float64
    assert angles_TR[-1].tolist() == [1_000_000 * 10_000.0 ** (-i / 4) for i in range(4)]


@torch.no_grad()
def test_scores_of_a_rope_model_are_the_same_wherever_a_text_begins() -> None:
    """The same ids at positions 13 and on: no score moves."""
    model = random_model(SHAPES["modern"]).double()
    ids_BT = random_ids(2, 9)
    start = 13
    rotary_2TS = model._rotary(start + 9)[:, start:]
    x_BTD = model.embedding(ids_BT)
    for block in model.blocks:
        x_BTD = block(x_BTD, rotary_2TS, None)
    assert_close_sums(model.logits(model.norm(x_BTD)), model(ids_BT))  # other rows of the float32 table


@torch.no_grad()
def test_rope_goes_on_past_the_trained_context() -> None:
    for name in ("rope", "modern"):
        model = random_model(SHAPES[name]).double()
        context = model.settings.context
        ids_BT = random_ids(1, 3 * context)
        long_BTV = model(ids_BT)
        assert torch.isfinite(long_BTV).all()
        assert torch.allclose(long_BTV[:, :context], model(ids_BT[:, :context]), atol=EXACT)
        assert "rotary_2CS" not in model.state_dict()  # computed, never stored


def test_rows_of_the_sinusoid_table_are_as_alike_as_they_are_near() -> None:
    table_TD = sinusoid_table(64, 32)
    assert table_TD.square().mean().item() == pytest.approx(1, abs=1e-5)
    alike_TT = table_TD @ table_TD.T
    for distance in range(1, 64):
        diagonal = alike_TT.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[0].expand_as(diagonal), rtol=0, atol=ROUNDING * 32)  # 32 squares
    assert alike_TT[0].argmax() == 0
