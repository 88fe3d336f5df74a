"""Where a run stands, and its learning rate there: linear warm-up, constant, linear cool-down."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from modou.settings.train import ScheduleSettings


@dataclass
class Progress:
    """All that the loop must remember besides tensors, over all sittings of a run; kept in each checkpoint's
    state.json."""

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

    def note(self, value: float, weights: str) -> bool:
        """Takes in an evaluation; True where it is the best so far."""
        self.weights = weights
        if math.isfinite(value) and (self.best is None or value < self.best):
            self.best, self.best_step = value, self.step
            return True
        return False

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Back from plain values."""
        return cls(**values)


def learning_rate_share(step: int, steps: int, settings: ScheduleSettings) -> float:
    """Share of the peak rate at update `step` (0-based) of `steps`, in (0, 1]."""
    warm = round(settings.warmup * steps)
    cool = settings.cooldown * steps
    rising = (step + 1) / warm if step < warm else 1.0
    falling = (steps - step) / cool if steps - step < cool else 1.0
    return rising * falling
