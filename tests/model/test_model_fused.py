"""The functions with hand-written gradients against their formulas, in value and in every gradient."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from closeness import EXACT
from hypothesis import given, settings
from hypothesis import strategies as st
from model_helpers import SHAPES, random_ids, random_model
from torch import Tensor

from modou.model import fused
from modou.model.fused import Heads, rms_norm, split_heads, swiglu
from modou.model.positions import rotary_table, rotate

EPSILON = 1e-6


def random(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def assert_same(ours: Callable[..., Tensor], formula: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    values, gradients = [], []
    for function in (ours, formula):
        value = function(*inputs)
        probe = torch.linspace(-1, 2, value.numel(), dtype=value.dtype).view(value.shape)
        values.append(value.detach())
        gradients.append(torch.autograd.grad((value * probe).sum(), inputs))
    assert torch.allclose(*values, rtol=EXACT, atol=EXACT)
    for one, two in zip(*gradients, strict=True):
        assert torch.allclose(one, two, rtol=EXACT, atol=EXACT)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5), max_size=3), st.integers(1, 9), st.integers(0, 99), st.sampled_from([1e-4, 1, 1e4]))
def test_rms_norm_is_its_formula(before: list[int], width: int, seed: int, scale: float) -> None:
    def formula(x: Tensor, weight: Tensor) -> Tensor:
        return x / (x.square().mean(-1, keepdim=True) + EPSILON).sqrt() * weight

    x = (scale * random(*before, width, seed=seed)).detach().requires_grad_()
    assert_same(lambda x, weight: rms_norm(x, weight, EPSILON), formula, [x, random(width, seed=seed + 1)])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 9), st.integers(0, 99))
def test_swiglu_is_its_formula(batch: int, length: int, width: int, seed: int) -> None:
    x_BTG = random(batch, length, 2 * width, seed=seed)
    assert_same(swiglu, lambda x: F.silu(x[..., :width]) * x[..., width:], [x_BTG])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.sampled_from([2, 4, 6]),
    st.booleans(), st.booleans(), st.integers(0, 99),
)  # fmt: skip
def test_heads_are_split_normalised_and_rotated(
    batch: int, length: int, groups: int, keys: int, size: int, is_normed: bool, is_rotated: bool, seed: int
) -> None:
    heads = Heads(groups * keys, keys, size)
    table = rotary_table(length, size, 10_000.0).double() if is_rotated else None

    def formula(qkv: Tensor, *norms: Tensor) -> Tensor:
        parts = list(qkv.view(batch, length, -1, size).transpose(1, 2).split([heads.queries, keys, keys], 1))
        for which, weight in enumerate(norms):
            parts[which] = parts[which] / (parts[which].square().mean(-1, keepdim=True) + EPSILON).sqrt() * weight
        if table is not None:
            parts[:2] = [rotate(part, table) for part in parts[:2]]
        return torch.cat([part.flatten() for part in parts])

    def ours(qkv: Tensor, *norms: Tensor) -> Tensor:
        parts = split_heads(qkv, heads, (norms[0], norms[1]) if norms else None, EPSILON, table)
        assert [part.shape for part in parts] == [(batch, n, length, size) for n in (heads.queries, keys, keys)]
        return torch.cat([part.flatten() for part in parts])

    inputs = [random(batch, length, (heads.queries + 2 * keys) * size, seed=seed)]
    if is_normed:
        inputs += [random(size, seed=seed + 1), random(size, seed=seed + 2)]
    assert_same(ours, formula, inputs)


@pytest.mark.parametrize("name", SHAPES)
def test_a_model_has_the_gradients_of_its_formulas(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids_BT = random_model(SHAPES[name]).double(), random_ids(3, 20)
    found: list[list[Tensor]] = []
    for is_fused in (True, False):
        if not is_fused:
            monkeypatch.setattr(fused, "is_training_on_cpu", lambda _: False)
        loss = model.loss(ids_BT, ids_BT.roll(1, 1))
        found.append([loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))])
    for one, two in zip(*found, strict=True):
        assert torch.allclose(one, two, rtol=1e-7, atol=1e-7 * two.abs().max().item())


def test_without_gradients_the_formula_is_computed() -> None:
    x, weight = random(4, 6), random(6)
    with torch.no_grad():
        assert torch.equal(rms_norm(x, weight, EPSILON), F.rms_norm(x, (6,), weight, EPSILON))
        assert torch.equal(swiglu(x), F.silu(x[:, :3]) * x[:, 3:])


@pytest.mark.parametrize("function", [swiglu, lambda x: rms_norm(x, torch.ones(6, dtype=x.dtype), EPSILON)])
def test_a_second_derivative_is_refused(function: Callable[[Tensor], Tensor]) -> None:
    x = random(2, 3, 6)
    (gradient,) = torch.autograd.grad(function(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError):
        gradient.sum().backward()
