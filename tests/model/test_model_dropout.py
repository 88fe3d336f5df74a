"""Dropout from bytes: the share, the scale, the gradient, the seed."""

import pytest
import torch
from torch import Tensor

from modou.model.dropout import dropout


def dropped(share: float, shape: tuple[int, ...] = (300, 400), seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    return dropout(torch.ones(shape), share, training=True)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.25, 0.5, 0.9, 0.999])
def test_the_share_and_the_expectation(share: float) -> None:
    y = dropped(share)
    dropped_share = min(max(round(share * 256), 1), 255) / 256
    assert abs(dropped_share - share) <= 1 / 256
    assert abs((y == 0).float().mean().item() - dropped_share) < 0.005
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - dropped_share)])


def test_neighbours_are_independent() -> None:
    """The eight bytes of a draw, and of the next draw, know nothing of each other."""
    y = (dropped(0.5, (100_000,)) > 0).double()
    for lag in range(1, 17):
        assert abs(torch.corrcoef(torch.stack([y[:-lag], y[lag:]]))[0, 1].item()) < 0.015, lag


def test_same_seed_same_mask_and_another_seed_another() -> None:
    assert torch.equal(dropped(0.3), dropped(0.3))
    assert not torch.equal(dropped(0.3), dropped(0.3, seed=1))


@pytest.mark.parametrize("shape", [(), (1,), (7,), (8,), (3, 5, 7)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert dropped(0.2, shape).shape == shape


def test_what_is_dropped_gets_no_gradient() -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 60, requires_grad=True)
    y = dropout(x, 0.25, training=True)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad * x, y)


def test_nothing_outside_training() -> None:
    x = torch.randn(4, 4)
    assert dropout(x, 0.5, training=False) is x and dropout(x, 0.0, training=True) is x
