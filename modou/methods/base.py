"""The interface of a training method, and what the methods that start from a trained model share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch

from modou import storage
from modou.data.conversation import Message, Template
from modou.data.examples import Facts
from modou.data.packing import make_batches
from modou.data.shards import Shards
from modou.generate.engine import complete
from modou.messages import UserError, text
from modou.methods.figures import AlignedEvaluation, AlignedReport, AlignedTraining, Drift, Report
from modou.methods.likelihood import bits_per_character, excerpts
from modou.methods.planning import Plan
from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.runs.folder import RunFolder
from modou.runs.record import Record, pretraining_run
from modou.runs.stages import StageRecord, figures, require_stage, require_tokenizer
from modou.runs.weights import load_model, load_tokenizer, load_weights
from modou.settings.methods import METHODS, Writing
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.settings.train import Trained
from modou.text.corpus import Corpus
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Event, Notice, Sample, StageEnded, StageName
from modou.train.objective import Objective
from modou.train.parallel import World
from modou.train.replay import BaseKLRegularizer
from modou.train.ways import usable, use_way, way_of

G = TypeVar("G", bound=Trained)


class Data(Protocol):
    """Examples read from a file."""

    def facts(self) -> Facts:
        """Counts for the report and the terminal."""
        ...


D = TypeVar("D", bound=Data)
DRIFT_CHARACTERS = 20_000
"""Characters of validation text on which forgetting is measured."""
SHOWN = 3
"""Held-out questions answered at every evaluation, to be shown."""
EVALUATIONS, BUDGETED_EVALUATIONS = 8, 16
"""Approximate number of evaluations in a run, without and with a time budget: steps are refitted to it only then."""
CPU = World(torch.device("cpu"))


class Method(ABC, Generic[G]):
    """A training method. The runner calls, in this order: `prepare` for each of `preparations`, `plan`, `build`,
    `evaluate`, `report`; it skips what an earlier call of the same command completed."""

    preparations: ClassVar[tuple[StageName, ...]] = ("data",)
    """Stages that come before the plan."""
    trains: ClassVar[bool] = True
    """Whether there are stages after these."""
    has_page: ClassVar[bool] = False
    """Whether it also writes report.html."""
    chooses_way: ClassVar[bool] = False
    """Whether the plan chooses the way to compute a training step."""

    def __init__(self, run: RunFolder, record: Record[G]) -> None:
        self.run, self.record = run, record

    @abstractmethod
    def prepare(self, stage: StageName, done: StageRecord | None) -> Iterator[Event]:
        """Runs a stage, or loads its result if it is `done`; the last event is its StageEnded.

        May replace `self.record` by one with more options chosen. UserError: the data is unusable.
        """

    @abstractmethod
    def plan(self, settings: G) -> Generator[Event, None, tuple[G, Plan | None]]:
        """Returns the settings with every open option chosen, and the plan for its stage record (None: no more than
        the settings)."""

    @abstractmethod
    def build(self, settings: G, world: World) -> tuple[GPT, Objective]:
        """The model to train, parallelised over `world`, and the objective."""

    @abstractmethod
    def identity(self) -> dict[str, str]:
        """SHA-256 by name ("corpus_sha256") of the inputs; a checkpoint is resumed only if its own are equal."""

    @abstractmethod
    def evaluate(self, settings: G, which: str | int = "best") -> Iterator[Event]:
        """Evaluates a checkpoint ("best", "latest" or a step); the last event is StageEnded("evaluate", figures)."""

    @abstractmethod
    def report(self, common: Report, history: Sequence[dict[str, Any]]) -> Report:
        """The contents of report.json, the figures of the evaluation among them. common: what every report has;
        history: the lines of metrics.jsonl. UserError: not evaluated."""

    @classmethod
    def default_budget(cls, settings: G) -> G | None:
        """The settings with a default time budget, if the user gave no length; None: the data determines the length."""
        return None

    def replan(self, settings: G, asked: G) -> G:
        """The settings with the way to compute a training step chosen anew, where the plan chooses it, but for what is
        asked for."""
        return settings

    def flops_per_token(self, settings: G) -> float | None:
        """FLOPs per training token, for model FLOPs utilisation; None: it is not reported."""
        return None


class Alignment(Method[G], Generic[G, D]):
    """A method that starts from a trained model (the base) and a file of examples. A subclass reads the file and builds
    the model and the objective."""

    evaluates_base: ClassVar[bool] = True
    """Whether the final evaluation also evaluates the base model."""

    base: RunFolder
    template: Template
    shape: ModelSettings
    data: D

    def __init__(self, run: RunFolder, record: Record[G]) -> None:
        super().__init__(run, record)
        self.base = RunFolder(Path(record.inputs["base"].path))
        if METHODS[Record[Any].read(self.base).method].scores:
            raise UserError("align.no_base", path=self.base.path)
        self.read(Path(record.inputs["data"].path), record.inputs["data"].columns)

    @abstractmethod
    def read(self, data: Path, columns: str) -> None:
        """Sets template, shape and data. UserError: no such run, no usable example in the file."""

    @abstractmethod
    def steps(self, settings: G) -> int:
        """The default number of optimizer steps."""

    @abstractmethod
    def split(self, settings: G) -> tuple[list[int], list[int]]:
        """Indices of the examples to train on, and of those to measure: held-out ones, or, where none are held out,
        some of the former."""

    @abstractmethod
    def network(self, settings: G, world: World) -> GPT:
        """The model to train, initialised from the base and parallelised over `world`."""

    @abstractmethod
    def objective(self, settings: G, world: World, in_training: bool = True) -> Objective:
        """The objective, without the KL regularizer of `build`. in_training: it evaluates on a subset of the
        held-out examples, for speed; else on all of them."""

    def steps_per_round(self, settings: G) -> int:
        """Evaluations are placed at multiples of this many steps."""
        return 1

    def prepare(self, stage: StageName, done: StageRecord | None) -> Iterator[Event]:
        """Copies the tokenizer into the run folder, which then depends on no other."""
        files: tuple[Path, ...] = ()
        if os.environ.get("RANK", "0") == "0":
            require_tokenizer(self.base)
            self.run.tokenizer.mkdir(parents=True, exist_ok=True)
            for path in self.base.tokenizer.iterdir():
                storage.write_bytes_atomically(self.run.tokenizer / path.name, storage.read_bytes(path))
            self.template.tokenizer.save(self.run.tokenizer)
            files = tuple(sorted(path for path in self.run.tokenizer.iterdir() if path.is_file()))
        self.record = replace(self.record, shape=self.shape)
        settings: Any = self.record.settings
        if isinstance(settings, Writing) and settings.replay.rows and pretraining_text(self.base) is None:
            yield Notice(text("align.nothing_to_replay", path=self.base.path))
        for note in self.data.facts().notes:
            yield Notice(note)
        if not self.held_out(self.record.settings):
            yield Notice(text("align.none_held_out"))
        yield StageEnded("data", self.data.facts(), skipped=done is not None, files=files)

    def plan(self, settings: G) -> Generator[Event, None, tuple[G, Plan | None]]:
        """Chooses train.steps and train.evaluate_every where they are not set."""
        chosen: dict[str, Any] = {}
        if not settings.is_set("train", "steps"):
            chosen["steps"] = self.steps(settings)
        if not settings.is_set("train", "evaluate_every"):
            steps = int(chosen.get("steps", settings.train.steps))
            evaluations = BUDGETED_EVALUATIONS if settings.train.minutes else EVALUATIONS
            round = self.steps_per_round(settings)
            chosen["evaluate_every"] = -(-steps // evaluations // round) * round
        yield from ()
        return settings.with_values({"train": chosen}), None

    def build(self, settings: G, world: World) -> tuple[GPT, Objective]:
        """See Method. With settings.replay, the objective gets a KL regularizer on the pretraining text, if that text
        still exists."""
        model, objective = self.network(settings, world), self.objective(settings, world)
        if not isinstance(settings, Writing) or not settings.replay.rows:
            return model, objective
        shards = pretraining_text(self.base)
        if shards is None:
            return model, objective
        base = load_weights(self.base, extend=True)[0].eval().requires_grad_(False).to(world.device)
        pretrained: Any = Record[Any].read(pretraining_run(self.base)).settings
        context = min(base.settings.context, shards.tokens - 1)
        batches = make_batches(
            shards, context, settings.replay.rows, settings.train.seed, pretrained.train.document_mask
        )
        return model, BaseKLRegularizer(objective, batches, base, settings.replay, world)

    def identity(self) -> dict[str, str]:
        """The inputs, and the tokenizer in this run's folder."""
        inputs = {f"{name}_sha256": source.sha256 for name, source in self.record.inputs.items()}
        return {**inputs, "tokenizer_sha256": self.template.tokenizer.sha256}

    def evaluate(self, settings: G, which: str | int = "best") -> Iterator[Event]:
        """See Method."""
        yield StageEnded("evaluate", self.metrics(settings, which))

    def metrics(self, settings: G, which: str | int) -> AlignedEvaluation:
        """The objective's evaluation on all held-out examples, samples, and forgetting of the pretraining text."""
        objective = self.objective(settings, CPU, in_training=False)
        before, (after, _, step) = load_model(self.base, extend=True)[0], load_model(self.run, which)
        return AlignedEvaluation(
            checkpoint={"step": step},
            held_out=self.held_out(settings),
            validation=objective.evaluate(after),
            base={"validation": objective.evaluate(before)} if self.evaluates_base else None,
            samples=objective.sample(after),
            drift=drift(self.base, before, after, self.template.tokenizer),
        )

    def held_out(self, settings: G) -> int:
        """Number of held-out examples."""
        train, measured = self.split(settings)
        return 0 if set(train) & set(measured) else len(measured)

    def report(self, common: Report, history: Sequence[dict[str, Any]]) -> AlignedReport:
        """See Method: the counts of the data, and the training curve."""
        steps = [line for line in history if line["kind"] == "step"]
        curve = [
            {"step": line["step"], "seconds": line["seconds"], **_single(line["numbers"]["validation"])}
            for line in history
            if line["kind"] == "evaluation"
        ]
        last: dict[str, Any] = steps[-1] if steps else {"step": 0, "seconds": 0.0}
        training = AlignedTraining(last["step"], last["seconds"], curve)
        evaluation = figures(self.run, "evaluate", AlignedEvaluation)
        return AlignedReport(**vars(common), **vars(evaluation), data=self.data.facts(), training=training)

    def load_base(self) -> GPT:
        """The base's weights in a model without dropout, so that log-probabilities are deterministic. It computes in
        the way of the trained one, to whose log-probabilities its own are compared."""
        with torch.random.fork_rng(devices=[]):
            model = GPT(self.shape)
        model.load_state_dict(load_weights(self.base)[0].state_dict())
        settings = self.record.settings
        device = choose_device(settings.train.device)
        use_way(model, replace(usable(way_of(settings), device), compile=False), device)
        return model


def answers(
    model: GPT, template: Template, questions: Sequence[Sequence[Message]], sampling: SamplingSettings
) -> list[Sample]:
    """The model's answer to each question."""
    ids = [template.prompt(messages) for messages in questions]
    made = complete(model, template.tokenizer, ids, sampling.changed(samples=1), ends=template.ends)
    return [
        Sample(messages[-1].content, sampling.seed, template.answer(answer.ids))
        for messages, answer in zip(questions, made, strict=True)
    ]


def pretraining_text(base: RunFolder) -> Shards | None:
    """The tokens that `base`, or the run it descends from, was pretrained on; None if they no longer exist."""
    first = pretraining_run(base)
    if not first.tokens.exists():
        return None
    require_stage(first, "shards")
    return Shards(first.tokens, load_tokenizer(first))


def drift(base: RunFolder, before: GPT, after: GPT, tokenizer: Tokenizer) -> Drift | None:
    """Forgetting of the pretraining run's validation text; None if that text no longer exists."""
    first = pretraining_run(base)
    if not first.corpus.exists():
        return None
    require_stage(first, "clean")
    texts = excerpts(list(Corpus(first.corpus).texts("validation")), DRIFT_CHARACTERS)
    was, now = (bits_per_character(model, tokenizer, texts) for model in (before, after))
    return Drift(**vars(was.gain_over(now)), before=was.value, now=now.value)


def _single(numbers: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if not isinstance(value, dict)}
