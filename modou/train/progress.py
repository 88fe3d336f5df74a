"""Where a run stands: all that the loop must remember besides tensors. Saved in every checkpoint's state.json."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass
class Progress:
    """Counters of a run over all its sittings."""

    planned: int
    """Updates in all as the settings say; they say another number once the run is extended."""
    steps: int
    """Updates in all: as planned, or fewer where the time does not pay for them."""
    step: int = 0
    """Updates done."""
    tokens: int = 0
    """Loss units seen (tokens, for pretraining)."""
    seconds: float = 0.0
    """Seconds spent in training steps."""
    best: float | None = None
    """Best value of the objective's measure so far."""
    best_step: int = 0
    weights: str = "model"
    """Which weights gave the newest evaluation's better value: "model" or "average"."""
    worse_in_a_row: int = 0

    def note(self, value: float, weights: str) -> bool:
        """Takes in an evaluation; True where it is the best so far."""
        self.weights = weights
        if math.isfinite(value) and (self.best is None or value < self.best):
            self.best, self.best_step, self.worse_in_a_row = value, self.step, 0
            return True
        self.worse_in_a_row += 1
        return False

    def extend(self, planned: int) -> None:
        """More updates than were planned before; patience begins anew."""
        self.planned = self.steps = planned
        self.worse_in_a_row = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Back from plain values."""
        return cls(**values)
