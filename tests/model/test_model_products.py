"""Products in bfloat16 on a CPU: rounded factors, float32 sums, nothing left behind."""

import os
import subprocess
import sys

import pytest
import torch
from closeness import assert_close_sums
from model_helpers import SHAPES, random_ids, random_model

from modou.model.attention import attend, attend_by_products, attend_in_float32
from modou.model.products import cpu_products, has_bfloat16_products


def precision() -> str:
    return torch.backends.mkldnn.matmul.fp32_precision  # pyright: ignore[reportAttributeAccessIssue]


def factors() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(200, 200, generator=generator) for _ in range(2))
    return left, right


def test_the_precision_is_restored() -> None:
    before = precision()
    with pytest.raises(KeyError), cpu_products("bfloat16"):
        assert precision() == "bf16"
        with cpu_products("float32"):
            assert precision() == "ieee"
        assert precision() == "bf16"
        raise KeyError
    assert precision() == before


def test_float64_is_exact_in_any_precision() -> None:
    left, right = (factor.double() for factor in factors())
    expected = left @ right
    with cpu_products("bfloat16"):
        assert torch.equal(left @ right, expected)


@pytest.mark.skipif(not has_bfloat16_products(), reason="this processor has no bfloat16 products")
def test_factors_are_rounded_and_sums_are_not() -> None:
    left, right = factors()
    with cpu_products("bfloat16"):
        found = left @ right
    assert found.dtype == torch.float32
    rounded = left.bfloat16().double() @ right.bfloat16().double()
    assert_close_sums(found, rounded.float())
    assert not torch.allclose(found.double(), left.double() @ right.double(), atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("isa", ["AVX2", "AVX512_CORE"])
def test_a_cpu_without_the_units_never_takes_the_way(isa: str) -> None:
    """In a process of its own: oneDNN looks at the processor once."""
    code = """
from modou.model.products import cpu_products, has_bfloat16_products
from modou.settings.run import RunSettings
from modou.train import ways
import torch
assert not has_bfloat16_products()
left = torch.randn(200, 200)
with cpu_products("bfloat16"):
    assert torch.equal(left @ left, left @ left)
shape = {"layers": 1, "width": 32, "heads": 2, "context": 16, "vocabulary": 64}
settings = RunSettings.parse({"model": shape, "train": {"batch": 2}})
chosen, timed = ways.choose_way(settings, 100.0)
assert chosen.precision == "float32"
assert {one.way.precision for one in timed} == {"float32"}
forced = settings.with_values({"train": {"precision": "bfloat16"}})
assert ways.shortcomings(forced)
"""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": isa, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_attention_in_float32_is_untouched_by_the_precision_of_the_rest() -> None:
    tensors = [torch.randn(2, 3, 40, 16, requires_grad=True) for _ in range(3)]
    with cpu_products("float32"):
        expected = attend(*tensors)
        gradients = torch.autograd.grad(expected.square().sum(), tensors)
    with cpu_products("bfloat16"):
        found = attend_in_float32(*tensors)
        assert precision() == "bf16"
        its_gradients = torch.autograd.grad(found.square().sum(), tensors)
        assert precision() == "bf16"
    assert torch.equal(found, expected)
    assert all(torch.equal(one, two) for one, two in zip(its_gradients, gradients, strict=True))


@pytest.mark.parametrize("kernel", [attend_in_float32, attend_by_products])
@pytest.mark.parametrize("name", SHAPES)
def test_gradients_in_bfloat16_are_those_of_float32_but_for_rounding(name: str, kernel: object) -> None:
    model, ids_BT = random_model(SHAPES[name]), random_ids(4, 32)
    found = []
    for which in ("float32", "bfloat16"):
        for block in model.blocks:
            block.attention.attend = kernel if which == "bfloat16" else attend
        with cpu_products(which):
            loss = model.loss(ids_BT, ids_BT.roll(1, 1))
            gradients = torch.autograd.grad(loss, list(model.parameters()))
        found.append((loss.item(), torch.cat([gradient.flatten() for gradient in gradients])))
    (loss, gradient), (its_loss, its_gradient) = found
    assert its_loss == pytest.approx(loss, rel=0.01)
    assert (its_gradient - gradient).norm() <= 0.1 * gradient.norm()
