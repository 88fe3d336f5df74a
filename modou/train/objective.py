"""The interface between the training loop and an objective, which turns data into a loss."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from modou.model.gpt import GPT
from modou.train.events import Sample


class Batch(Protocol):
    """A micro-batch; its tensors are the objective's own."""

    @property
    def count(self) -> int:
        """Units of loss (tokens, pairs ...); the loop divides the loss by their sum."""
        ...


class Objective(Protocol):
    """Everything random is a pure function of (seed, step), or is in `state` and `tensors`."""

    @property
    def measure(self) -> str:
        """Name of the figure in `evaluate` that selects the best checkpoint (smaller is better)."""
        ...

    def prepare(self, model: GPT, step: int) -> None:
        """Called before `micro_batches` of each step, for example to generate rollouts. Collective."""
        ...

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[Batch]:
        """This process's share of the step's batch; the same number of micro-batches in every process."""
        ...

    def loss(self, model: GPT, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """(loss summed over `batch.count` units, sums of further metrics). The loop divides both."""
        ...

    def evaluate(self, model: GPT) -> object:
        """Figures on held-out data, a dataclass."""
        ...

    def sample(self, model: GPT) -> Sequence[Sample]:
        """Samples to show, with the same prompts and seeds each time."""
        ...

    def state(self) -> dict[str, Any]:
        """JSON values to save in a checkpoint."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Tensors to save in a checkpoint."""
        ...

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Restores what `state` and `tensors` returned."""
        ...


class StatelessObjective:
    """Base of objectives without state or preparation."""

    def prepare(self, model: GPT, step: int) -> None:
        """See Objective."""

    def state(self) -> dict[str, Any]:
        return {}

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """See Objective."""
