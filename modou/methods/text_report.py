"""The report of a pretrained run, from what its stages left."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modou.methods.evaluation import TextEvaluation
from modou.methods.figures import Report
from modou.methods.planning import Plan
from modou.methods.preparation import CleanFigures, Split
from modou.model.census import Description, describe
from modou.runs.folder import RunFolder
from modou.runs.logs import SAMPLES, lines_of
from modou.runs.stages import figures, known
from modou.settings.run import RunSettings
from modou.storage import parse_written
from modou.text.report import Cleaning
from modou.tokenizer.card import Card
from modou.train.environment import TrainingEnvironment
from modou.train.events import Sample


@dataclass(frozen=True)
class Evaluation:
    """One evaluation during training."""

    step: int
    """Optimizer steps before it."""
    seconds: float
    """Seconds of training steps before it."""
    train_bits_per_char: float | None
    """Bits per character of the training text in the last steps; null: none was logged."""
    validation_bits_per_char: float
    """Bits per character of the validation text."""
    averaged_bits_per_char: float
    """The same with averaged weights, where there are any."""


@dataclass(frozen=True)
class TextTraining:
    """The training of a pretrained run."""

    steps: int
    """Optimizer steps."""
    tokens: int
    """Tokens trained on, repeated ones counted again."""
    seconds: float
    """Seconds of training steps."""
    tokens_per_second: float | None
    """Tokens ÷ seconds; null: no step was logged."""
    history: list[Evaluation]
    """The evaluations."""
    share_of_peak: float | None
    """Model FLOPs utilisation: tokens per second × FLOPs per token ÷ best matrix rate, at most 1; null: not known."""
    best_step: int
    """Optimizer steps before the checkpoint that was evaluated."""
    peak_memory_mb: float | None
    """Largest memory in MiB; null: not known."""


@dataclass(frozen=True, kw_only=True)
class StepSample(Sample):
    """A text written during training."""

    step: int
    """Optimizer steps before it."""


@dataclass(frozen=True, kw_only=True)
class TextReport(TextEvaluation, Report):
    """report.json of a pretrained run."""

    cleaning: Cleaning
    """What cleaning changed."""
    split: Split
    """How the text was divided."""
    tokenizer: Card
    """The tokenizer."""
    model: Description
    """The sizes of the model."""
    plan: Plan | None = None
    """The plan; absent where its record is damaged."""
    training: TextTraining
    """The training."""
    samples: list[StepSample]
    """Texts written at every evaluation."""
    advice: list[str] = field(default_factory=list[str])
    """Suggested next steps, the most useful first."""


def text_report(run: RunFolder, settings: RunSettings, common: Report, history: Sequence[dict[str, Any]]) -> TextReport:
    """The report but for the advice. common: what every report has; history: the lines of metrics.jsonl.

    UserError: a stage is not done, or its record is damaged.
    """
    facts, evaluation = figures(run, "clean", CleanFigures), figures(run, "evaluate", TextEvaluation)
    model = describe(settings.model)
    return TextReport(
        **vars(replace(common, run=replace(common.run, language=facts.language))),
        **vars(evaluation),
        cleaning=facts.cleaning,
        split=facts.split,
        tokenizer=figures(run, "tokenizer", Card),
        model=model,
        plan=known(run, "plan", Plan),
        training=_training(settings, history, common.environment, model, evaluation.checkpoint["step"]),
        samples=parse_written(list[StepSample], lines_of(run, SAMPLES), run.samples),
    )


def _training(
    settings: RunSettings,
    history: Sequence[dict[str, Any]],
    machine: TrainingEnvironment | None,
    model: Description,
    best_step: int,
) -> TextTraining:
    """What training did, from metrics.jsonl."""
    steps = [line for line in history if line["kind"] == "step"]
    last: dict[str, Any] = steps[-1] if steps else {"step": 0, "seconds": 0.0}
    tokens = last["step"] * settings.train.batch * settings.model.context
    speed = tokens / last["seconds"] if last["seconds"] else None
    rates = machine.matrix_gflops if machine else None
    # A share above 1 would say that another program ran whenever the rate was measured.
    share = (
        min(1.0, speed * model.flops_per_token / (1e9 * rates["best"])) if speed and rates and rates["best"] else None
    )
    return TextTraining(
        steps=last["step"],
        tokens=tokens,
        seconds=last["seconds"],
        tokens_per_second=speed,
        history=[_evaluation(line, steps) for line in history if line["kind"] == "evaluation"],
        share_of_peak=share,
        best_step=best_step,
        peak_memory_mb=machine.peak_memory_mb if machine else None,
    )


def _evaluation(line: dict[str, Any], steps: list[dict[str, Any]]) -> Evaluation:
    """One evaluation, with the training figure of the steps just before it."""
    near = [s["metrics"]["bits_per_char"] for s in steps if s["step"] <= line["step"]][-20:]
    numbers = line["numbers"]
    return Evaluation(
        step=line["step"],
        seconds=line["seconds"],
        train_bits_per_char=sum(near) / len(near) if near else None,
        validation_bits_per_char=numbers["validation"]["bits_per_char"],
        averaged_bits_per_char=numbers.get("average", numbers)["validation"]["bits_per_char"],
    )
