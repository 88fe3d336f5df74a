"""Optimizers: Muon for the matrices inside the blocks, AdamW for everything else.

AdamW (Loshchilov & Hutter 2019) is torch's fused one. Muon (Jordan et al. 2024) is ours: `torch.optim.Muon` always
iterates in bfloat16, which a CPU without bf16 units emulates about a hundred times slower than float32.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from modou.model.gpt import GPT
from modou.model.products import Precision
from modou.settings.train import OptimizerSettings, ScheduleSettings

# Each row (a, b, c) is one step X <- a X + b (X X^T) X + c (X X^T)^2 X of the Polar Express (Amsel et al. 2025): the
# coefficients that bring singular values in [0.001, 1] closest to 1 after five steps.
POLAR_STEPS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)

TABLES = ("embedding.", "positions.", "head.")
"""Prefixes of parameters with a row for each token or position."""


def orthogonalise(matrices_NRC: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrix of each of N matrices: U V^T of its SVD, to about 10 %."""
    # The shorter side first, so that X X^T is the smaller square.
    tall = matrices_NRC.shape[-2] > matrices_NRC.shape[-1]
    x_NRC = matrices_NRC.mT if tall else matrices_NRC
    x_NRC = x_NRC / (x_NRC.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-7)
    # Composing the polynomials on the square alone is half the work, but too inexact for 16-bit types.
    wide = x_NRC.shape[-1] >= 2 * x_NRC.shape[-2] and x_NRC.dtype.itemsize >= 4
    x_NRC = _polar_factor(x_NRC @ x_NRC.mT) @ x_NRC if wide else _polar(x_NRC)
    return x_NRC.mT if tall else x_NRC


def _polar(x_NRC: Tensor) -> Tensor:
    for a, b, c in POLAR_STEPS:
        square_NRR = x_NRC @ x_NRC.mT
        x_NRC = torch.baddbmm(x_NRC, _polynomial(square_NRR, b, c), x_NRC, beta=a)
    return x_NRC


def _polar_factor(square_NRR: Tensor) -> Tensor:
    """P such that P X = _polar(X), from X X^T alone."""
    factors: list[Tensor] = []
    for a, b, c in POLAR_STEPS:
        if factors:
            square_NRR = factors[-1] @ square_NRR @ factors[-1]
        step_NRR = _polynomial(square_NRR, b, c)
        step_NRR.diagonal(dim1=-2, dim2=-1).add_(a)
        factors.append(step_NRR)
    return reduce(lambda product_NRR, step_NRR: step_NRR @ product_NRR, factors)


def _polynomial(square_NRR: Tensor, b: float, c: float) -> Tensor:
    """b S + c S^2."""
    return torch.baddbmm(square_NRR, square_NRR, square_NRR, beta=b, alpha=c)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, then the update of each matrix is orthogonalised (Jordan et al. 2024).

    lr: an update of an R x C matrix has spectral norm lr x sqrt(max(1, R / C)). parts: for each parameter, into how
    many equal matrices it splits, as (dimension, count); for example one for each head. iteration: the type in which
    updates are orthogonalised; None = their own.
    """

    def __init__(
        self,
        params: Sequence[nn.Parameter],
        parts: Sequence[tuple[int, int]],
        lr: float,
        momentum: float,
        weight_decay: float,
        iteration: torch.dtype | None = None,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.parts, self.iteration = dict(zip(params, parts, strict=True)), iteration

    @torch.no_grad()
    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One optimizer step; parameters without a gradient are skipped."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update_NRC = separate(self._momentum(parameter, group["momentum"]), *self.parts[parameter])
                    by_shape[update_NRC.shape[1:]].append((parameter, update_NRC))
            for members in by_shape.values():  # one batched product for each shape
                stacked_NRC = torch.cat([update_NRC for _, update_NRC in members])
                steps_NRC = orthogonalise(stacked_NRC.to(self.iteration or stacked_NRC.dtype)).to(stacked_NRC.dtype)
                counts = [len(update_NRC) for _, update_NRC in members]
                for (parameter, _), step_NRC in zip(members, steps_NRC.split(counts), strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    self._move(parameter, step_NRC, group["lr"])

    def _momentum(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """Nesterov momentum of the gradient, gathered if it is sharded: orthogonalisation needs the whole matrix."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - momentum)
        update = parameter.grad.lerp(state["momentum"], momentum)
        return update.full_tensor() if isinstance(update, DTensor) else update

    def _move(self, parameter: nn.Parameter, step_NRC: Tensor, lr: float) -> None:
        """parameter -= lr sqrt(max(1, rows of a part / columns of the whole)) step."""
        dimension, count = self.parts[parameter]
        rows = parameter.shape[0] // (count if dimension == 0 else 1)
        rate = lr * max(1.0, rows / parameter.shape[1]) ** 0.5
        if isinstance(parameter, DTensor):
            step = torch.empty(parameter.shape, dtype=step_NRC.dtype, device=step_NRC.device)
            separate(step, dimension, count).copy_(step_NRC)
            mesh, placements = parameter.device_mesh, parameter.placements
            parameter.sub_(distribute_tensor(step, mesh, placements, src_data_rank=None), alpha=rate)
        else:
            separate(parameter, dimension, count).sub_(step_NRC, alpha=rate)


def separate(matrix: Tensor, dimension: int, count: int) -> Tensor:
    """A view of `count` equal parts of the matrix, cut along the dimension, (N, R, C); the shorter side first."""
    parts_NRC = matrix.unflatten(dimension, (count, -1)).movedim(dimension, 0)
    return parts_NRC.mT if parts_NRC.shape[1] > parts_NRC.shape[2] else parts_NRC


def clip_gradients(parameters: Sequence[nn.Parameter], limit: float) -> float:
    """Scales the gradients down to a total norm of `limit` (0 = none), and returns the norm before."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if any(isinstance(gradient, DTensor) for gradient in gradients):
        norm = torch.nn.utils.get_total_norm(gradients)
        value = float((norm.full_tensor() if isinstance(norm, DTensor) else norm).item())
        if math.isfinite(value):  # else the caller looks for what is not finite
            torch.nn.utils.clip_grads_with_norm_(parameters, limit or math.inf, norm)
        return value
    squares = [torch.dot(gradient.flatten(), gradient.flatten()) for gradient in gradients]
    norm = float(torch.stack(squares).sum().sqrt().item())
    if limit and limit < norm < math.inf:  # as torch computes it, lest one process differ from several
        torch._foreach_mul_(gradients, limit / (norm + 1e-6))  # pyright: ignore[reportPrivateUsage]
    return norm


def make_optimizers(
    model: GPT, settings: OptimizerSettings, precision: Precision = "float32"
) -> list[torch.optim.Optimizer]:
    """[Muon, AdamW] or [AdamW] for the trainable parameters. Each group has its peak learning rate as `peak_lr`.

    precision: of the training's matrix products, and of Muon's iteration.

    Block matrices: Muon, or AdamW, at `matrix_lr`, with weight decay. Embeddings and output head: AdamW at
    `embedding_lr`. Norms, biases and a score head: AdamW at `norm_lr`.
    """
    matrices: list[nn.Parameter] = []
    parts: list[tuple[int, int]] = []
    tables: list[nn.Parameter] = []
    scalars: list[nn.Parameter] = []
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    for name, parameter in trained:
        if parameter.ndim == 2 and name.startswith("blocks."):
            matrices.append(parameter)
            parts.append(model.matrices_in(name) if settings.name == "muon" else (0, 1))
        else:
            (tables if name.startswith(TABLES) else scalars).append(parameter)
    decay = settings.weight_decay
    adam_groups: list[dict[str, Any]] = [
        {"params": tables, "lr": settings.embedding_lr, "weight_decay": 0.0},
        {"params": scalars, "lr": settings.norm_lr, "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if settings.name == "muon":
        iteration = torch.bfloat16 if precision == "bfloat16" else None
        optimizers.append(Muon(matrices, parts, settings.matrix_lr, settings.momentum, decay, iteration))
    else:
        adam_groups.insert(0, {"params": matrices, "lr": settings.matrix_lr, "weight_decay": decay})
    adam_groups = [group for group in adam_groups if group["params"]]
    optimizers.append(torch.optim.AdamW(adam_groups, betas=(settings.beta1, settings.beta2), eps=1e-10, fused=True))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def learning_rate_share(step: int, steps: int, settings: ScheduleSettings) -> float:
    """Share of the peak rate at update `step` (0-based) of `steps`, in (0, 1]: linear up, level, linear down."""
    warm = round(settings.warmup * steps)
    cool = settings.cooldown * steps
    rising = (step + 1) / warm if step < warm else 1.0
    falling = (steps - step) / cool if steps - step < cool else 1.0
    return rising * falling
