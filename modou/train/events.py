"""The events of a run, yielded by stages and the training loop; displaying them is the command line's task."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from modou.storage import to_json

Reason = Literal["finished", "interrupted"]
StageName = Literal["corpus", "clean", "tokenizer", "shards", "data", "plan", "train", "evaluate", "report", "export"]


@dataclass(frozen=True)
class Sample:
    """A text that the model wrote."""

    prompt: str
    """What it was given: the beginning of a text, or a question."""
    seed: int
    """Of the random numbers."""
    text: str
    """What it wrote."""


@dataclass(frozen=True)
class Started:
    """Training starts, or resumes from a checkpoint. problems: newer checkpoints that are damaged, and how."""

    step: int
    steps: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stepped:
    """One optimizer step was made. step: steps so far; seconds: time in training steps so far, over all sessions."""

    step: int
    steps: int
    seconds: float
    step_seconds: float
    tokens: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class Evaluated:
    """An evaluation: nested metrics, and whether they are the best so far."""

    step: int
    seconds: float
    numbers: dict[str, Any]
    is_best: bool


@dataclass(frozen=True)
class Sampled:
    """Samples of an evaluation; prompts and seeds are the same each time."""

    step: int
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Rescheduled:
    """The number of steps was changed to fit the time budget at the pace so far."""

    before: int
    after: int


@dataclass(frozen=True)
class Ended:
    """Training finished, or was interrupted after saving a checkpoint."""

    step: int
    seconds: float
    reason: Reason


TrainingEvent = Started | Stepped | Evaluated | Sampled | Rescheduled | Ended


@dataclass(frozen=True)
class StageBegan:
    """A stage starts; it is number `number` of `of`."""

    stage: StageName
    number: int
    of: int


@dataclass(frozen=True)
class StageProgress:
    """Progress of a stage: `done` of `total` (0 = unknown) in the stage's own units."""

    stage: StageName
    done: float
    total: float


@dataclass(frozen=True)
class StageEnded:
    """A stage is complete. figures: a dataclass, or what the stage's record holds of it; skipped: it had been completed
    before; files: what it wrote."""

    stage: StageName
    figures: object = field(default_factory=dict[str, Any])
    skipped: bool = False
    files: tuple[Path, ...] = ()

    @property
    def numbers(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return to_json(self.figures)


@dataclass(frozen=True)
class Notice:
    """A message for the user, in the current language."""

    text: str
    level: Literal["info", "warning"] = "info"


@dataclass(frozen=True)
class Planned:
    """The plan's choices: (option, value, reason)."""

    choices: tuple[tuple[str, Any, str], ...]
    expected_bits_per_char: float | None


@dataclass(frozen=True)
class Measured:
    """For model FLOPs utilisation: the device's matrix multiplication rate, and FLOPs per training token."""

    flops_per_second: float
    flops_per_token: float
    device: str


@dataclass(frozen=True)
class RunEnded:
    """The command is finished, or was interrupted after saving. report: the contents of report.json; answers: whether
    the model answers conversations, where no report says so."""

    folder: Path
    finished: bool
    report: dict[str, Any] = field(default_factory=dict)
    answers: bool = False


StageEvent = StageBegan | StageProgress | StageEnded | Notice | Planned | Measured | RunEnded
Event = TrainingEvent | StageEvent
