"""What a run tells whoever watches: its stages and every step of training. Only the terminal draws them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Reason = Literal["finished", "interrupted"]
StageName = Literal["corpus", "clean", "tokenizer", "shards", "data", "plan", "train", "evaluate", "report"]


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


TrainingEvent = Started | Stepped | Evaluated | Sampled | Saved | Rescheduled | Ended


@dataclass(frozen=True)
class StageBegan:
    """A stage starts."""

    stage: StageName
    number: int
    of: int


@dataclass(frozen=True)
class StageProgress:
    """A stage is on its way: `done` of `total` (0 = unknown) in units of its own."""

    stage: StageName
    done: float
    total: float


@dataclass(frozen=True)
class StageEnded:
    """A stage is done. `numbers`: what it found, nested names; `skipped`: it was done before; `files`: what it left."""

    stage: StageName
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])
    skipped: bool = False
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Notice:
    """A sentence for the user, already in their language."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True)
class Planned:
    """The plan's choices, for showing: (option, value, reason)."""

    choices: tuple[tuple[str, Any, str], ...]
    expected_bits_per_char: float | None


@dataclass(frozen=True)
class Measured:
    """What training speed is told in: the device's matrix rate, and the FLOPs of one training token of this model."""

    flops_per_second: float
    flops_per_token: float
    device: str


@dataclass(frozen=True)
class RunEnded:
    """Everything is done (or interrupted, with all saved): the final report's dict and where it stands."""

    folder: Path
    finished: bool
    report: dict[str, Any] = field(default_factory=dict)


StageEvent = StageBegan | StageProgress | StageEnded | Notice | Planned | Measured | RunEnded
Event = TrainingEvent | StageEvent
