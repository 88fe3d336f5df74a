"""The chunked cross-entropy against torch's, in value and in every gradient."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
import torch.nn.functional as F
from closeness import assert_close_sums
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from modou.data.shards import IGNORE
from modou.model import loss
from modou.model.loss import CHUNK_NUMBERS, LEAST, chunk_rows, next_token_loss, token_log_probabilities

WIDTH, VOCABULARY = 12, 31
CHUNK = 64


def problem(length: int, seed: int, ignored: float, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states, head and targets, a share of the targets left out."""
    generator = torch.Generator().manual_seed(seed)
    x_ND = torch.randn(length, WIDTH, generator=generator, dtype=torch.float64)
    head_VD = torch.randn(VOCABULARY, WIDTH, generator=generator, dtype=torch.float64)
    target_N = torch.randint(VOCABULARY, (length,), generator=generator)
    target_N[torch.rand(length, generator=generator) < ignored] = IGNORE
    return x_ND.to(dtype).requires_grad_(), head_VD.to(dtype).requires_grad_(), target_N


def both(x_ND: Tensor, head_VD: Tensor, target_N: Tensor, weight: float = 1.0) -> list[tuple[Tensor, ...]]:
    """(value, gradient of x, gradient of the head), ours and torch's."""
    ours = next_token_loss(x_ND, head_VD, target_N)
    theirs = F.cross_entropy(F.linear(x_ND, head_VD), target_N, ignore_index=IGNORE, reduction="sum")
    return [(value.detach(), *torch.autograd.grad(weight * value, (x_ND, head_VD))) for value in (ours, theirs)]


@pytest.mark.parametrize("length", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 9 * CHUNK + 1])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["float32", "float64"]
)
def test_equal_to_torch_at_chunk_borders(
    length: int, dtype: torch.dtype, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss, "chunk_rows", lambda *_: CHUNK)
    for ours, theirs in zip(*both(*problem(length, length, 0.2, dtype)), strict=True):
        assert ours.dtype == theirs.dtype == dtype
        assert_close_sums(ours, theirs, max(1.0, theirs.abs().max().item()), tolerance)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**31), st.floats(0, 1), st.integers(1, 20), st.floats(-3, 3))
def test_equal_to_torch_for_any_chunk(length: int, seed: int, ignored: float, chunk: int, weight: float) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "chunk_rows", lambda *_: chunk)
        for ours, theirs in zip(*both(*problem(length, seed, ignored, torch.float64), weight), strict=True):
            assert_close_sums(ours, theirs, 1 + 100 * length, 1e-13)


@given(st.integers(1, 100_000), st.integers(8, 1_000_000))
def test_chunks_are_alike_and_of_bounded_memory(positions: int, vocabulary: int) -> None:
    rows = chunk_rows(positions, vocabulary)
    assert rows % 16 == 0
    assert rows == LEAST or rows * vocabulary <= 1.5 * CHUNK_NUMBERS + 16 * vocabulary
    chunks = -(-positions // rows)
    assert (
        chunks == 1 or rows == LEAST or positions - (chunks - 1) * rows > rows - 16 * chunks
    )  # the last is no remnant


def test_gradients_equal_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "chunk_rows", lambda *_: 3)
    x_ND, head_VD, target_N = problem(8, 0, 0.3, torch.float64)
    assert torch.autograd.gradcheck(lambda x, head: next_token_loss(x, head, target_N), (x_ND, head_VD))


def product_refused(*_: Tensor) -> None:
    raise AssertionError("a gradient of the head")


def test_a_frozen_head_gets_no_gradient_and_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND, head_VD, target_N = problem(20, 3, 0.2, torch.float64)
    value, grad_x_ND, _ = both(x_ND, head_VD, target_N)[0]
    monkeypatch.setattr(loss, "_add_product", product_refused)
    again = next_token_loss(x_ND, head_VD.requires_grad_(False), target_N)
    assert torch.equal(again, value) and torch.equal(*torch.autograd.grad(again, x_ND), grad_x_ND)


def test_frozen_states_get_no_gradient_and_change_none() -> None:
    x_ND, head_VD, target_N = problem(20, 3, 0.2, torch.float64)
    value, _, grad_head_VD = both(x_ND, head_VD, target_N)[0]
    again = next_token_loss(x_ND.requires_grad_(False), head_VD, target_N)
    assert torch.equal(again, value) and torch.equal(*torch.autograd.grad(again, head_VD), grad_head_VD)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_without_gradients_none_is_computed(
    context: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    x_ND, head_VD, target_N = problem(20, 4, 0.2, torch.float64)
    expected = next_token_loss(x_ND, head_VD, target_N)
    monkeypatch.setattr(loss, "_add_product", product_refused)
    with context(), FlopCounterMode(display=False) as counter:
        assert torch.equal(next_token_loss(x_ND.detach(), head_VD, target_N), expected)
    assert counter.get_total_flops() == 2 * 20 * WIDTH * VOCABULARY  # the logits


def test_nothing_to_learn_is_zero() -> None:
    ours, _ = both(*problem(5, 0, 1.1, torch.float32))
    assert all((part == 0).all() for part in ours)


@pytest.mark.parametrize("target", [-1, VOCABULARY])
def test_targets_that_are_no_token_are_refused(target: int) -> None:
    x_ND, head_VD, target_N = problem(5, 0, 0.0, torch.float32)
    target_N[2] = target
    with pytest.raises(RuntimeError, match="out of bounds"):
        next_token_loss(x_ND, head_VD, target_N)


def test_shapes_of_a_batch_do_not_matter() -> None:
    x_ND, head_VD, target_N = problem(24, 0, 0.2, torch.float64)
    flat, square = (
        next_token_loss(x, head_VD, target)
        for x, target in ((x_ND, target_N), (x_ND.view(4, 6, WIDTH), target_N.view(4, 6)))
    )
    assert torch.equal(flat, square)


def test_large_scores_do_not_overflow() -> None:
    x_ND, head_VD, target_N = problem(40, 0, 0.0, torch.float32)
    x_ND = (1e3 * x_ND).detach().requires_grad_()
    for one, two in zip(*both(x_ND, head_VD, target_N), strict=True):
        assert torch.isfinite(one).all()
        assert_close_sums(one, two)


def test_bfloat16_is_summed_in_float32() -> None:
    x_ND, head_VD, target_N = problem(300, 0, 0.1, torch.bfloat16)
    ours = next_token_loss(x_ND, head_VD, target_N)
    exact = F.cross_entropy(F.linear(x_ND, head_VD).float(), target_N, ignore_index=IGNORE, reduction="sum")
    assert ours.dtype == torch.float32
    assert ours.item() == pytest.approx(exact.item(), rel=1e-5)
    grad_x_ND, grad_head_VD = torch.autograd.grad(ours, (x_ND, head_VD))
    assert grad_x_ND.dtype == grad_head_VD.dtype == torch.bfloat16
    rounded_x_ND, rounded_head_VD = torch.autograd.grad(exact, (x_ND, head_VD))
    assert_close_sums(grad_x_ND, rounded_x_ND, share=0.02)
    assert_close_sums(grad_head_VD, rounded_head_VD, share=0.02)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([torch.float32, torch.float64]))
def test_log_probabilities_sum_to_the_loss(seed: int, dtype: torch.dtype) -> None:
    x_ND, head_VD, target_N = problem(20, seed, 0.0, dtype)
    logits_NV = F.linear(x_ND, head_VD)
    chosen_N = token_log_probabilities(logits_NV, target_N)
    assert_close_sums(chosen_N, logits_NV.log_softmax(-1)[torch.arange(20), target_N], logits_NV.abs().max().item())
    assert -chosen_N.sum().item() == pytest.approx(next_token_loss(x_ND, head_VD, target_N).item(), rel=1e-5)
