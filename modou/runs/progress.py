"""Where the training of a run stands: counters that a checkpoint keeps beside its tensors."""

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, Strict

from modou import storage

Count = Annotated[int, Strict(), Field(ge=0, lt=2**53)]
Finite = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Word = Annotated[str, Strict(), Field(max_length=100)]


@dataclass
class Progress:
    """The training loop's state besides tensors, saved in each checkpoint's state.json."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    planned: Count
    """Updates in all as the settings say; they say another number once the run is extended."""
    steps: Count
    """Updates in all: as planned, or fewer where the time does not pay for them."""
    step: Count = 0
    """Updates done."""
    tokens: Count = 0
    """Loss units seen (tokens, for pretraining)."""
    seconds: Finite = 0.0
    """Seconds spent in training steps."""
    best: Finite | None = None
    """Best value of the objective's measure so far."""
    best_step: Count = 0
    weights: Word = "model"
    """Which weights gave the newest evaluation's better value: "model" or "average"."""

    def note(self, value: float, weights: str) -> bool:
        """Records an evaluation; returns whether it is the best so far."""
        self.weights = weights
        if math.isfinite(value) and (self.best is None or value < self.best):
            self.best, self.best_step = value, self.step
            return True
        return False

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Back from plain values. ValueError: they are not these counters, or contradict one another."""
        progress = storage.parse_form(cls, values)
        if not progress.best_step <= progress.step or not progress.steps <= progress.planned:
            raise ValueError("counters that contradict one another")
        return progress
