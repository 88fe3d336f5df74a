"""The progress of a run, and its learning-rate schedule: linear warm-up, constant, linear cool-down."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from modou.settings.train import ScheduleSettings


@dataclass
class Progress:
    """The training loop's state besides tensors, saved in each checkpoint's state.json."""

    planned: int
    """Total steps as set by the settings; extending the run changes them."""
    steps: int
    """Total steps: as planned, or fewer if the time budget does not allow them."""
    step: int = 0
    """Optimizer steps so far."""
    tokens: int = 0
    """Loss units so far (tokens, for pretraining)."""
    seconds: float = 0.0
    """Seconds spent in training steps."""
    best: float | None = None
    """Smallest value of the objective's `measure` so far."""
    best_step: int = 0
    weights: str = "model"
    """Which weights were better at the latest evaluation: "model" or "average"."""

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
    def from_json(cls, values: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**values)


def learning_rate_share(step: int, steps: int, settings: ScheduleSettings) -> float:
    """Learning rate at `step` (0-based) of `steps` / peak learning rate, in (0, 1]."""
    warm = round(settings.warmup * steps)
    cool = settings.cooldown * steps
    rising = (step + 1) / warm if step < warm else 1.0
    falling = (steps - step) / cool if steps - step < cool else 1.0
    return rising * falling
