"""The precision of matrix products in training.

bfloat16 on a GPU is torch's autocast. On a CPU the tensors stay float32, and oneDNN rounds the factors of a product to
bfloat16 and sums in float32: units for bfloat16 (AMX, AVX-512 BF16) multiply several times faster, no tensor has to be
converted, and softmax, norms, losses and weights are float32 always. A CPU without the instructions it needs computes
as in float32.
"""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """The context of a forward pass: autocast on a GPU, nothing on a CPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" and precision == "bfloat16")


@contextmanager
def cpu_products(precision: Precision | None) -> Generator[None]:
    """The context of forward and backward pass: products on a CPU are computed in this precision (None: as before)."""
    if precision is None:
        yield
        return
    before = set_cpu_products("bf16" if precision == "bfloat16" else "ieee")
    try:
        yield
    finally:
        set_cpu_products(before)


def set_cpu_products(precision: str) -> str:
    """Sets oneDNN's name of the precision of float32 products, "ieee" or "bf16"; returns the one before."""
    matmul: Any = torch.backends.mkldnn.matmul  # pyright: ignore[reportAttributeAccessIssue]
    before, matmul.fp32_precision = matmul.fp32_precision, precision
    return before


def has_bfloat16_products() -> bool:
    """Whether this CPU can compute products in bfloat16, quickly or not: whether it gives another result."""
    factors = torch.linspace(-1, 1, 128 * 128).view(128, 128)
    results: list[Tensor] = []
    for precision in PRECISIONS:
        with cpu_products(precision):
            results.append(factors @ factors)
    return not torch.equal(*results)
