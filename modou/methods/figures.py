"""What the reports of all methods hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modou.evaluate.bits import Gain
from modou.train.environment import TrainingEnvironment
from modou.train.events import Sample


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A run."""

    name: str
    """Name of its folder."""
    method: str
    """Method of training."""
    book: str | None = None
    """The text (of pretraining)."""
    validation: str | None = None
    """The text it was validated on, where that is no part of the book."""
    test: str | None = None
    """The text it was tested on, where that is no part of the book."""
    base: str | None = None
    """The run it began from."""
    data: str | None = None
    """The file of examples."""
    judge: str | None = None
    """What scored the answers: a task or a reward model."""
    language: str | None = None
    """Language of the text, zh or en (of pretraining)."""
    finished: bool
    """Whether training came to its end."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the report of every method holds."""

    modou: str
    """Version that wrote it."""
    run: RunFacts
    """The run."""
    settings: dict[str, dict[str, Any]]
    """Every option, by group and name."""
    environment: TrainingEnvironment | None = None
    """Versions and machine; absent where their record is damaged."""


@dataclass(frozen=True, kw_only=True)
class Drift(Gain):
    """Forgetting: bits per character of the pretraining corpus's validation text, after less before training."""

    before: float
    """Bits per character before training."""
    now: float
    """Bits per character after it."""


@dataclass(frozen=True, kw_only=True)
class AlignedEvaluation:
    """The evaluation of an aligned run."""

    checkpoint: dict[str, int]
    """The checkpoint that was evaluated: "step", the optimizer steps before it."""
    held_out: int | None = None
    """Number of held-out examples; 0: none, so that `validation` is of examples that were trained on. Absent in runs
    of older versions."""
    validation: Any
    """Figures on held-out examples, of each method its own."""
    base: dict[str, Any] | None = None
    """The base (sft, ppo, grpo): "validation", the same figures before training."""
    samples: Sequence[Sample] | None = None
    """Answers to the questions of these examples; absent for a reward model."""
    drift: Drift | None = None
    """Forgetting; absent where the pretraining corpus no longer exists."""


@dataclass(frozen=True)
class AlignedTraining:
    """The training of an aligned run."""

    steps: int
    """Optimizer steps."""
    seconds: float
    """Seconds of training steps."""
    history: Sequence[Mapping[str, Any]]
    """Of every evaluation: step, seconds, and the single figures of `validation`."""


@dataclass(frozen=True, kw_only=True)
class AlignedReport(AlignedEvaluation, Report):
    """report.json of an aligned run."""

    data: Any
    """What the file of examples holds, of each kind of file its own."""
    training: AlignedTraining
    """The training."""
