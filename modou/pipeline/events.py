"""What the pipeline tells beside training's own events (modou.train.events)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modou.train import events as training

StageName = Literal["corpus", "clean", "tokenizer", "shards", "data", "plan", "train", "evaluate", "report"]


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
    """A stage is done. `numbers`: what it found, nested names; `skipped`: it was done before."""

    stage: StageName
    numbers: dict[str, Any] = field(default_factory=dict)
    skipped: bool = False


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


PipelineEvent = StageBegan | StageProgress | StageEnded | Notice | Planned | Measured | RunEnded
Event = PipelineEvent | training.Event
