"""Muon against a singular value decomposition and against itself written slowly; who gets which optimizer."""

import copy
from collections.abc import Iterator

import pytest
import torch
from closeness import EXACT
from hypothesis import given, settings
from hypothesis import strategies as st
from model_helpers import SHAPES, random_ids
from torch import Tensor, nn

from modou.model.gpt import GPT
from modou.model.loss import next_token_loss
from modou.settings.train import OptimizerSettings
from modou.train.optim import POLAR_STEPS, Muon, clip_gradients, make_optimizers, orthogonalise

# What five steps of the Polar Express do to singular values of at least 0.1 % of the matrix's norm.
LOWEST, HIGHEST = 0.858, 1.142
SMALLEST = 0.001
REGULARISED = 1e-6
"""What the little that is added to a norm, lest it be 0, does to a step."""


def inner(matrices_NRC: Tensor) -> tuple[Tensor, Tensor]:
    """orthogonalise in the basis of the singular vectors, and the singular values as shares of the norm."""
    left_NRM, values_NM, right_NMC = torch.linalg.svd(matrices_NRC.double(), full_matrices=False)
    result_NRC = orthogonalise(matrices_NRC).double()
    return left_NRM.mT @ result_NRC @ right_NMC.mT, values_NM / values_NM.norm(dim=-1, keepdim=True)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 3),
    st.integers(0, 2**31),
    st.sampled_from([1e-3, 1.0, 1e4]),
)
def test_singular_vectors_stay_and_singular_values_come_near_one(
    rows: int, columns: int, count: int, seed: int, scale: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    inner_NMM, shares_NM = inner(scale * torch.randn(count, rows, columns, generator=generator))
    values_NM = inner_NMM.diagonal(dim1=-2, dim2=-1)
    assert (inner_NMM - torch.diag_embed(values_NM)).abs().max() < 1e-3  # the directions are those of the SVD
    assert values_NM.max() <= HIGHEST + 1e-3
    large_NM = shares_NM >= 1.02 * SMALLEST
    assert (values_NM[large_NM] >= LOWEST - 1e-3).all()
    assert (values_NM >= -1e-3).all()  # no direction is ever turned around


def test_the_polynomial_holds_its_promise() -> None:
    """Singular values alone, without matrices: the band is as wide as stated and no wider."""
    values_M = torch.logspace(-3, 0, 100_001, dtype=torch.float64)
    for a, b, c in POLAR_STEPS:
        values_M = a * values_M + b * values_M**3 + c * values_M**5
    assert values_M.min().item() == pytest.approx(0.8589, abs=1e-3)
    assert values_M.max().item() == pytest.approx(1.1411, abs=1e-3)


def test_a_zero_gradient_stays_zero() -> None:
    assert (orthogonalise(torch.zeros(2, 4, 6)) == 0).all()


def test_a_batch_is_its_matrices_one_by_one() -> None:
    matrices_NRC = torch.randn(5, 12, 20, dtype=torch.float64)
    alone_NRC = torch.cat([orthogonalise(matrix_RC[None]) for matrix_RC in matrices_NRC])
    assert torch.allclose(orthogonalise(matrices_NRC), alone_NRC, atol=EXACT)
    assert torch.allclose(orthogonalise(matrices_NRC.mT), alone_NRC.mT, atol=EXACT)


def slow_muon(weight_RC: Tensor, gradients: list[Tensor], lr: float, momentum: float, decay: float) -> Tensor:
    """The rule in words, float64, one matrix: an exponential mean, Nesterov's look ahead, an orthogonal step."""
    weight_RC, mean_RC = weight_RC.double(), torch.zeros_like(weight_RC, dtype=torch.float64)
    rows, columns = weight_RC.shape
    for gradient_RC in gradients:
        mean_RC = momentum * mean_RC + (1 - momentum) * gradient_RC.double()
        ahead_RC = momentum * mean_RC + (1 - momentum) * gradient_RC.double()
        left_RM, values_M, right_MC = torch.linalg.svd(ahead_RC, full_matrices=False)
        values_M = values_M / (1.01 * values_M.norm())
        for a, b, c in POLAR_STEPS:
            values_M = a * values_M + b * values_M**3 + c * values_M**5
        step_RC = (left_RM * values_M) @ right_MC * max(1.0, rows / columns) ** 0.5
        weight_RC = weight_RC * (1 - lr * decay) - lr * step_RC
    return weight_RC


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(24, 8), (8, 24), (16, 16), (1, 9)])
def test_steps_equal_the_slow_formula(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    weight, gradients = torch.randn(shape), [torch.randn(shape) for _ in range(4)]
    parameter = nn.Parameter(weight.clone())
    muon = Muon([parameter], [(0, 1)], lr=0.05, momentum=0.9, weight_decay=0.2)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        muon.step()
    expected = slow_muon(weight, gradients, 0.05, 0.9, 0.2)
    torch.testing.assert_close(parameter.detach(), expected, rtol=0, atol=REGULARISED)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("dimension", [0, 1])
@pytest.mark.parametrize(("count", "size"), [(3, 8), (2, 40), (1, 12), (30, 1)])
def test_parts_are_separate_matrices(count: int, size: int, dimension: int) -> None:
    torch.manual_seed(0)
    shape = (count * size, 30) if dimension == 0 else (30, count * size)
    weight, gradient = torch.randn(shape), torch.randn(shape)
    parameter = nn.Parameter(weight.clone())
    parameter.grad = gradient.clone()
    Muon([parameter], [(dimension, count)], lr=0.1, momentum=0.95, weight_decay=0.1).step()
    moved = (weight * (1 - 0.1 * 0.1) - parameter.detach()) / 0.1
    for part, source in zip(moved.chunk(count, dimension), gradient.chunk(count, dimension), strict=True):
        scale = max(1.0, part.shape[0] / shape[1]) ** 0.5  # height of the part, width of the whole
        assert torch.allclose(part, orthogonalise((1 - 0.95**2) * source[None])[0] * scale, rtol=0, atol=EXACT)
    if count == 1:
        return  # else it is not what the whole matrix would have done
    whole = nn.Parameter(weight.clone())
    whole.grad = gradient.clone()
    Muon([whole], [(0, 1)], lr=0.1, momentum=0.95, weight_decay=0.1).step()
    assert not torch.allclose(whole, parameter, atol=1e-3)


@pytest.mark.usefixtures("float64")
def test_matrices_of_one_shape_do_not_meet() -> None:
    torch.manual_seed(0)
    weights, gradients = torch.randn(3, 6, 9), torch.randn(3, 6, 9)
    parameters = [nn.Parameter(weight.clone()) for weight in weights]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    parameters[1].grad = None  # frozen: neither moved nor decayed
    Muon(parameters, [(0, 1)] * 3, lr=0.1, momentum=0.95, weight_decay=0.5).step()
    assert torch.equal(parameters[1], weights[1])
    for index in (0, 2):
        expected = slow_muon(weights[index], [gradients[index]], 0.1, 0.95, 0.5)
        assert torch.allclose(parameters[index], expected, rtol=0, atol=REGULARISED)


@pytest.mark.parametrize("limit", [0.0, 0.5, 1e6])
def test_clipping_is_that_of_torch(limit: float) -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(shape)) for shape in ((7, 5), (3,), (2, 2, 2))]
    theirs = copy.deepcopy(ours)
    for one, two in zip(ours[:2], theirs[:2], strict=True):  # the third has no gradient
        one.grad = torch.randn(one.shape)
        two.grad = one.grad.clone()
    norm = clip_gradients(ours, limit)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, limit or float("inf")).item(), rel=1e-6)
    for one, two in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=2e-7, atol=0)


def named_groups(model: GPT, optimizers: list[torch.optim.Optimizer]) -> Iterator[tuple[str, str, dict]]:
    """(parameter's name, optimizer's name, its group) for each parameter in each group."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                yield names[id(parameter)], type(optimizer).__name__, group


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_parameter_has_one_place(name: str, optimizer: str) -> None:
    model = GPT(SHAPES[name])
    options = OptimizerSettings(name=optimizer, matrix_lr=0.03, embedding_lr=0.002, norm_lr=0.005, weight_decay=0.2)
    placed = list(named_groups(model, make_optimizers(model, options)))
    assert sorted(entry[0] for entry in placed) == sorted(entry[0] for entry in model.named_parameters())
    for parameter, kind, group in placed:
        if parameter.endswith("bias") or "norm" in parameter:
            assert (kind, group["lr"], group["weight_decay"]) == ("AdamW", 0.005, 0.0), parameter
        elif "blocks" in parameter:
            expected = ("Muon" if optimizer == "muon" else "AdamW", 0.03, 0.2)
            assert (kind, group["lr"], group["weight_decay"]) == expected, parameter
        else:
            assert (kind, group["lr"], group["weight_decay"]) == ("AdamW", 0.002, 0.0), parameter
        assert group["peak_lr"] == group["lr"]


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_frozen_parameters_do_not_move(optimizer: str) -> None:
    torch.manual_seed(0)
    model = GPT(SHAPES["modern"])
    frozen = {"embedding.weight", "blocks.1.attention.out.weight", "norm.weight"}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    before = copy.deepcopy(model.state_dict())
    trained(model, make_optimizers(model, OptimizerSettings(name=optimizer)), range(2))
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name in frozen), name


@pytest.mark.parametrize("name", SHAPES)
def test_heads_and_gates_are_matrices_of_their_own(name: str) -> None:
    shape = SHAPES[name]
    model = GPT(shape)
    muon, _ = make_optimizers(model, OptimizerSettings(name="muon"))
    assert isinstance(muon, Muon)
    attention, feed_forward = model.blocks[0].attention, model.blocks[0].feed_forward
    heads = shape.heads + 2 * shape.key_value_heads
    assert muon.parts[attention.qkv.weight] == (0, heads)
    assert muon.parts[attention.out.weight] == (1, shape.heads)
    assert muon.parts[feed_forward.up.weight] == (0, 2 if shape.style == "modern" else 1)
    assert muon.parts[feed_forward.down.weight] == (0, 1)


def trained(model: GPT, optimizers: list[torch.optim.Optimizer], steps: range) -> list[float]:
    """Losses of a few steps on ids that depend on the step only."""
    losses: list[float] = []
    for step in steps:
        ids_BT = random_ids(4, 32, seed=step % 2)
        loss = next_token_loss(model.hidden(ids_BT[:, :-1]), model.head_VD, ids_BT[:, 1:]) / 124
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_training_learns_is_deterministic_and_goes_on_from_saved_state(optimizer: str) -> None:
    options = OptimizerSettings(name=optimizer, matrix_lr=0.02 if optimizer == "muon" else 0.002)

    def begin() -> tuple[GPT, list[torch.optim.Optimizer]]:
        torch.manual_seed(0)
        model = GPT(SHAPES["grouped"])
        return model, make_optimizers(model, options)

    model, optimizers = begin()
    losses = trained(model, optimizers, range(8))
    state = copy.deepcopy((model.state_dict(), [entry.state_dict() for entry in optimizers]))
    later = trained(model, optimizers, range(8, 12))
    assert later[-1] < 0.8 * losses[0]

    again, its_optimizers = begin()
    assert trained(again, its_optimizers, range(8)) == losses
    resumed, resumed_optimizers = begin()
    resumed.load_state_dict(state[0])
    for entry, saved in zip(resumed_optimizers, state[1], strict=True):
        entry.load_state_dict(saved)
    assert trained(resumed, resumed_optimizers, range(8, 12)) == later
