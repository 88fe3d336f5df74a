"""An exponential moving average of the weights, often better on held-out text (Polyak & Juditsky 1992).

Its time constant is a fixed fraction of the steps so far, so that the initial weights are forgotten (Karras et al.
2024).
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of a model's weights; share: time constant / steps so far. Frozen weights are their own average."""

    def __init__(self, model: nn.Module, share: float) -> None:
        self.share = share
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.tensors: dict[str, Tensor] = {
            name: p.detach().clone() if p.requires_grad else p.detach() for name, p in model.named_parameters()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Adds the weights after step number `step` (from 1) to the average."""
        window = max(1.0, self.share * step)
        averages = [self.tensors[name] for name in self.parameters]
        weights = [weight.detach() for weight in self.parameters.values()]
        torch._foreach_lerp_(averages, weights, 1 / window)  # pyright: ignore[reportPrivateUsage]

    @contextmanager
    def in_place(self) -> Generator[None]:
        """Within the context, the model has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.parameters.items():
            kept = parameter.detach().clone()
            parameter.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)
