"""A running average of the weights: smoother than any one step's weights, and often better on held-out text.

Exponential, with a time constant that grows as the run does, so that the random beginning is forgotten (Polyak &
Juditsky 1992; Karras et al. 2024 for the growing window).
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average beside a model; its time constant is the `share` of the steps so far."""

    def __init__(self, model: nn.Module, share: float) -> None:
        self.share = share
        self.parameters = dict(model.named_parameters())
        self.tensors: dict[str, Tensor] = {n: p.detach().clone() for n, p in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after update number `step` (from 1)."""
        window = max(1.0, self.share * step)
        for name, parameter in self.parameters.items():
            self.tensors[name].lerp_(parameter.detach(), 1 / window)

    @contextmanager
    def in_place(self) -> Generator[None]:
        """Within, the model carries the average."""
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
