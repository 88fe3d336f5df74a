"""What every method of training has, and what those that begin from a trained model share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch

from modou import storage
from modou.data.conversation import Message, Template
from modou.data.packing import make_batches
from modou.data.shards import Shards
from modou.errors import UserError
from modou.evaluate.likelihood import bits_per_character, excerpts
from modou.generate.engine import complete
from modou.messages import text
from modou.model.gpt import GPT
from modou.runs.folder import RunFolder
from modou.runs.record import Record, line_of
from modou.runs.stages import StageRecord, require_stage, require_tokenizer
from modou.runs.weights import load_tokenizer, load_weights
from modou.settings.methods import METHODS, Writing
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.settings.train import Trained
from modou.text.corpus import Corpus
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Event, Notice, StageEnded, StageName
from modou.train.objective import Objective
from modou.train.parallel import World
from modou.train.replay import BaseKLRegularizer

G = TypeVar("G", bound=Trained)


class Data(Protocol):
    """Examples that were read from a file."""

    def facts(self) -> dict[str, Any]:
        """Counts for people and programs."""
        ...


D = TypeVar("D", bound=Data)
DRIFT_CHARACTERS = 20_000
"""Characters of validation text on which forgetting is measured."""
SHOWN = 3
"""Held-out questions that are answered at every evaluation."""
EVALUATIONS, BUDGETED_EVALUATIONS = 8, 16
"""Evaluations of a run, about; more where minutes are to be kept, since only then is a run fitted to them."""
CPU = World(torch.device("cpu"))


class Method(ABC, Generic[G]):
    """One way to train. The runner calls, in this order: `prepare` for each of `preparations`, `plan`, `build`,
    `evaluate`, `report`; what was done before is not asked for again."""

    preparations: ClassVar[tuple[StageName, ...]] = ("data",)
    """The stages before the plan."""
    has_page: ClassVar[bool] = False
    """Whether its report is a page, too (report.html)."""

    def __init__(self, run: RunFolder, record: Record[G]) -> None:
        self.run, self.record = run, record

    @abstractmethod
    def prepare(self, stage: StageName, done: StageRecord | None) -> Iterator[Event]:
        """Makes what that stage makes, or reads what it left (`done`); the last event is its StageEnded.

        May set `self.record` to one with more options chosen. UserError: what is wrong with the data.
        """

    @abstractmethod
    def plan(self, settings: G) -> Generator[Event, None, tuple[G, dict[str, Any]]]:
        """Every option that is still open, chosen; and what the plan says of itself."""

    @abstractmethod
    def build(self, settings: G, world: World) -> tuple[GPT, Objective]:
        """The model to train, spread over the processes of `world`, and the objective."""

    @abstractmethod
    def identity(self) -> dict[str, str]:
        """Hashes by name ("corpus_sha256") of what a checkpoint must have been trained on to be resumed from."""

    @abstractmethod
    def evaluate(self, settings: G, which: str | int = "best") -> Iterator[Event]:
        """Measures a checkpoint of the trained run; the last event is StageEnded("evaluate", its figures)."""

    @abstractmethod
    def report(self, common: dict[str, Any], history: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """report.json: `common` holds what is said of every run (names, settings, environment, figures), `history` the
        lines of metrics.jsonl."""

    @classmethod
    def default_budget(cls, settings: G) -> G | None:
        """The settings with a budget of minutes, where nobody said how long; None: the data says it."""
        return None

    def flops_per_token(self, settings: G) -> float | None:
        """FLOPs of one training token, where speed is told as a share of the machine's; None: it is not."""
        return None


class Alignment(Method[G], Generic[G, D]):
    """A method that begins from a trained model and a file of examples. A subclass reads the file and makes the model
    and the objective."""

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
        """Sets template, shape and data. UserError: no such run, nothing to learn from in the file."""

    @abstractmethod
    def steps(self, settings: G) -> int:
        """Updates, where nobody says how many."""

    @abstractmethod
    def make(self, settings: G, world: World) -> tuple[GPT, Objective]:
        """The model to train and the objective, without the text that is read along."""

    @abstractmethod
    def measure(self, settings: G, which: str | int) -> dict[str, Any]:
        """The figures of a checkpoint."""

    def stride(self, settings: G) -> int:
        """Steps that belong together: evaluations fall between."""
        return 1

    def facts(self) -> dict[str, Any]:
        """What the file holds."""
        return self.data.facts()

    def prepare(self, stage: StageName, done: StageRecord | None) -> Iterator[Event]:
        """The file is read; the tokenizer is kept with the run, so that its folder is whole by itself."""
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
        yield StageEnded("data", self.facts(), skipped=done is not None, files=files)

    def plan(self, settings: G) -> Generator[Event, None, tuple[G, dict[str, Any]]]:
        """Steps and evaluations, where they are left open."""
        chosen: dict[str, Any] = {}
        if not settings.is_set("train", "steps"):
            chosen["steps"] = self.steps(settings)
        if not settings.is_set("train", "evaluate_every"):
            steps = int(chosen.get("steps", settings.train.steps))
            evaluations = BUDGETED_EVALUATIONS if settings.train.minutes else EVALUATIONS
            stride = self.stride(settings)
            chosen["evaluate_every"] = -(-steps // evaluations // stride) * stride
        yield from ()
        return settings.with_values({"train": chosen}), {}

    def build(self, settings: G, world: World) -> tuple[GPT, Objective]:
        """See Method; the base's own text is read along where that is asked for and it still lies there."""
        model, objective = self.make(settings, world)
        if not isinstance(settings, Writing) or not settings.replay.rows:
            return model, objective
        shards = pretraining_text(self.base)
        if shards is None:
            return model, objective
        *_, first = line_of(self.base)
        base = load_weights(self.base, extend=True)[0].eval().requires_grad_(False).to(world.device)
        pretrained: Any = Record[Any].read(first).settings
        context = min(base.settings.context, shards.tokens - 1)
        batches = make_batches(
            shards, context, settings.replay.rows, settings.train.seed, pretrained.train.document_mask
        )
        return model, BaseKLRegularizer(objective, batches, base, settings.replay, world)

    def identity(self) -> dict[str, str]:
        """The inputs, and the tokenizer as this run keeps it."""
        inputs = {f"{name}_sha256": source.sha256 for name, source in self.record.inputs.items()}
        return {**inputs, "tokenizer_sha256": self.template.tokenizer.sha256}

    def evaluate(self, settings: G, which: str | int = "best") -> Iterator[Event]:
        """See Method."""
        yield StageEnded("evaluate", self.measure(settings, which))

    def report(self, common: dict[str, Any], history: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """What the data held, and the curve of training."""
        steps = [line for line in history if line["kind"] == "step"]
        return {
            **common,
            "data": self.facts(),
            "training": {
                "steps": steps[-1]["step"] if steps else 0,
                "seconds": steps[-1]["seconds"] if steps else 0.0,
                "history": [
                    {"step": line["step"], "seconds": line["seconds"], **_figures(line["numbers"]["validation"])}
                    for line in history
                    if line["kind"] == "evaluation"
                ],
            },
        }

    def load(self) -> GPT:
        """The base's weights in a model without dropout: what is compared must not be random."""
        with torch.random.fork_rng(devices=[]):
            model = GPT(self.shape)
        model.load_state_dict(load_weights(self.base)[0].state_dict())
        return model


def answers(
    model: GPT, template: Template, questions: Sequence[Sequence[Message]], sampling: SamplingSettings
) -> list[dict[str, Any]]:
    """What the model answers to each question."""
    ids = [template.prompt(messages) for messages in questions]
    written = write_answers(model, template, ids, sampling.changed(samples=1))
    return [
        {"prompt": messages[-1].content, "seed": sampling.seed, "text": text}
        for messages, text in zip(questions, written, strict=True)
    ]


def write_answers(
    model: GPT, template: Template, questions: Sequence[Sequence[int]], sampling: SamplingSettings
) -> list[str]:
    """`sampling.samples` answers to each question, question by question."""
    written = complete(model, template.tokenizer, questions, sampling, ends=template.ends)
    return [template.answer(made.ids) for made in written]


def pretraining_text(base: RunFolder) -> Shards | None:
    """The tokens that the first run of a base's line was pretrained on; None where they no longer lie there."""
    *_, first = line_of(base)
    if not first.tokens.exists():
        return None
    require_stage(first, "shards")
    return Shards(first.tokens, load_tokenizer(first))


def drift(base: RunFolder, before: GPT, after: GPT, tokenizer: Tokenizer) -> dict[str, Any]:
    """What became of what was pretrained: bits per character of validation text before and after. The text is that of
    the first run in the line, if it still lies there."""
    *_, first = line_of(base)
    if not first.corpus.exists():
        return {}
    require_stage(first, "clean")
    texts = excerpts(list(Corpus(first.corpus).texts("validation")), DRIFT_CHARACTERS)
    was, now = (bits_per_character(model, tokenizer, texts) for model in (before, after))
    return {"drift": {**was.gain_over(now), "before": was.value, "now": now.value}}


def _figures(numbers: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if not isinstance(value, dict)}
