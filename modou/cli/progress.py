"""The state of training: smoothed metrics of the steps so far, as a line or a table."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from modou.messages import text
from modou.report import values as v
from modou.report.words import Words
from modou.train import events
from modou.train.events import Measured

ROUNDS = ("reward", "answer_kl", "entropy", "clipped", "length", "repetition", "replay_kl")
"""Metrics of rollouts, of auxiliary losses and of replay."""
_SMOOTHING = 0.95
"""Decay of the exponential moving averages: about the last twenty steps."""


_SHOWN = 2.0
"""Seconds after which the time that a stage will take is shown."""


class StageState:
    """The share of a stage that is done, and the time that the rest will take at the pace so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self.share: float | None = None

    def take(self, event: object) -> None:
        """Updates the state; ignores events that do not concern stages."""
        match event:
            case events.StageBegan():
                self._began, self.share = self._clock(), None
            case events.StageProgress():
                self.share = event.done / event.total if event.total else None
            case events.StageEnded():
                self.share = None
            case _:
                pass

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the pace so far, once some seconds have passed."""
        passed = self._clock() - self._began
        return passed * (1 - self.share) / self.share if self.share and passed >= _SHOWN else None

    def line(self, words: Words) -> str:
        """What is known of the two; "" for nothing."""
        if self.share is None:
            return ""
        share, left = f"{self.share:.0%}", self.seconds_left
        return share if left is None else text("console.stage_left", share=share, left=words.duration(left))


@dataclass
class TrainingState:
    """Updated by training events. None: not known yet."""

    clock: Callable[[], float] = time.monotonic
    step: int = 0
    steps: int = 0
    loss: float | None = None
    train_bits: float | None = None
    validation_bits: float | None = None
    average_bits: float | None = None
    tokens_per_second: float | None = None
    rounds: dict[str, float] = field(default_factory=dict[str, float])
    """Smoothed metrics of ROUNDS by name."""
    measured: Measured | None = None
    sample: events.Sample | None = None
    sample_step: int = 0
    running: bool = False
    _began: tuple[int, float] = field(default=(0, 0.0))

    def take(self, event: object) -> None:
        """Updates the state; ignores events that do not concern training."""
        match event:
            case Measured():
                self.measured = event
            case events.Started():
                self._forget()
                self.step, self.steps, self.running = event.step, event.steps, True
                self._began = (event.step, self.clock())
            case events.Stepped():
                self._step(event)
            case events.Evaluated():
                self.validation_bits = v.number(event.numbers, "validation.bits_per_char")
                self.average_bits = v.number(event.numbers, "average.validation.bits_per_char")
            case events.Sampled():
                self.sample_step = event.step
                self.sample = next((s for s in event.samples if s.text.strip()), None)
            case events.Rescheduled():
                self.steps = event.after
            case events.Ended():
                self.running = False
            case _:
                pass

    def _forget(self) -> None:
        """Resets the metrics: several trainings may follow one another."""
        self.loss = self.train_bits = self.validation_bits = self.average_bits = self.tokens_per_second = None
        self.rounds, self.sample = {}, None

    def _step(self, event: events.Stepped) -> None:
        self.step, self.steps = event.step, event.steps
        self.loss = _mean(self.loss, event.metrics.get("loss"))
        self.train_bits = _mean(self.train_bits, event.metrics.get("bits_per_char"))
        for name in ROUNDS:
            if (value := _mean(self.rounds.get(name), event.metrics.get(name))) is not None:
                self.rounds[name] = value
        if event.step_seconds > 0:
            self.tokens_per_second = _mean(self.tokens_per_second, event.tokens / event.step_seconds)

    @property
    def seconds_left(self) -> float | None:
        """Estimated from this session's pace, evaluations included."""
        done = self.step - self._began[0]
        if done <= 0:
            return None
        return (self.clock() - self._began[1]) / done * (self.steps - self.step)

    @property
    def share_of_peak(self) -> float | None:
        """Model FLOPs utilisation: training FLOP/s ÷ measured matrix FLOP/s. None in alignment, where other passes than
        those counted take most of the time."""
        if self.train_bits is None or self.measured is None or self.tokens_per_second is None:
            return None
        if self.measured.flops_per_second <= 0:
            return None
        return self.tokens_per_second * self.measured.flops_per_token / self.measured.flops_per_second

    @property
    def memory_mb(self) -> float | None:
        """Peak memory so far: of the GPU, else of this process."""
        if self.measured is None or "torch" not in sys.modules:
            return None
        import torch

        from modou.train.measure import peak_memory_mb

        return peak_memory_mb(torch.device(self.measured.device)) or None

    def line(self, words: Words) -> str:
        """All that is known in one line, for a log."""
        figures = "  ".join(f"{label} {value}" for label, value in self.figures(words))
        left = words.duration(self.seconds_left)
        return text("console.stepped", step=self.step, steps=self.steps, figures=figures, left=left)

    def figures(self, words: Words) -> list[tuple[str, str]]:
        """Label and value of what is known."""
        memory = self.memory_mb
        known = [
            ("loss", None if self.loss is None else f"{self.loss:.3f}"),
            *(
                (name, words.share(value) if name == "clipped" else f"{value:.2f}")
                for name, value in self.rounds.items()
            ),
            ("train", _shown(words.decimal, self.train_bits)),
            ("validation", _shown(words.decimal, self.validation_bits)),
            ("average", _shown(words.decimal, self.average_bits)),
            ("speed", _shown(words.count, self.tokens_per_second)),
            ("peak", _shown(words.share, self.share_of_peak)),
            ("memory", None if memory is None else f"{words.count(memory)} MB"),
        ]
        return [(text(f"console.label_{name}"), value) for name, value in known if value is not None]


def _shown(form: Callable[[float | None], str], value: float | None) -> str | None:
    return None if value is None else form(value)


def _mean(before: float | None, value: float | None) -> float | None:
    if value is None or before is None:
        return before if value is None else value
    return _SMOOTHING * before + (1 - _SMOOTHING) * value
