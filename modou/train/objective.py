"""The contract between the loop and what it trains for. A new objective is one file; the loop never asks which."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from modou.model.gpt import GPT


class Batch(Protocol):
    """A micro-batch of an objective's own shape. `count` is what its loss sum is divided by (tokens, pairs ...)."""

    @property
    def count(self) -> int:
        """Units of loss in it, known before the forward pass."""
        ...


class Objective(Protocol):
    """Data to loss. Everything random is a pure function of (seed, step) or is in `state()`."""

    @property
    def measure(self) -> str:
        """Path of the number in `evaluate` that chooses the best checkpoint (smaller is better)."""
        ...

    def prepare(self, model: GPT, step: int) -> None:
        """What must happen before the step's batches exist (rollouts); nothing for most."""
        ...

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[Batch]:
        """This process's share of the step's batch: as many micro-batches in every process (a pass is collective)."""
        ...

    def loss(self, model: GPT, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """(sum of the loss over `batch.count` units, sums of further metrics). The loop normalises, never this."""
        ...

    def evaluate(self, model: GPT) -> dict[str, Any]:
        """Numbers on validation text, nested."""
        ...

    def sample(self, model: GPT) -> Sequence[dict[str, Any]]:
        """Texts to show, the same prompts and seeds each time."""
        ...

    def state(self) -> dict[str, Any]:
        """Plain values to save with a checkpoint beyond (seed, step)."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Tensors to save with it."""
        ...

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Takes both back."""
        ...


class StatelessObjective:
    """What an objective has nothing to do for whose data is there from the start."""

    def prepare(self, model: GPT, step: int) -> None:
        """Nothing."""

    def state(self) -> dict[str, Any]:
        """Nothing beyond (seed, step)."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """None."""
        return {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Nothing to take back."""
