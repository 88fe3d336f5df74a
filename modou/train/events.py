"""What training tells whoever watches. The loop yields these; the console draws them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Reason = Literal["finished", "interrupted"]


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on from a checkpoint."""

    step: int
    steps: int
    resumed_from: Path | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stepped:
    """One update was made. `step` counts updates done; seconds are those spent in training steps, of all sittings."""

    step: int
    steps: int
    seconds: float
    step_seconds: float
    tokens: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Evaluated:
    """An evaluation: numbers nested as everywhere, and whether it is the best so far."""

    step: int
    seconds: float
    numbers: dict[str, Any]
    is_best: bool


@dataclass(frozen=True)
class Sampled:
    """Texts written at an evaluation, same prompts and seeds every time."""

    step: int
    samples: tuple[dict[str, Any], ...] = field(default=())


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on disk."""

    step: int
    path: Path


@dataclass(frozen=True)
class Rescheduled:
    """The number of steps is fitted to the pace so far, so that the time holds."""

    before: int
    after: int


@dataclass(frozen=True)
class Ended:
    """Training is over, or interrupted with all saved."""

    step: int
    seconds: float
    reason: Reason


Event = Started | Stepped | Evaluated | Sampled | Saved | Rescheduled | Ended
