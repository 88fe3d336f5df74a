"""Pretraining: next-token prediction on text.

    loss = - sum over positions of log p(token t+1 | tokens up to t)

Rows are slices of the concatenated documents; or, with train.document_mask, packed whole documents that do not attend
to each other.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modou.data.packing import Packing, make_batches, text_rows
from modou.data.shards import IGNORE, PADDING, Batches
from modou.generate.engine import complete
from modou.messages import UserError
from modou.methods import preparation
from modou.methods.advice import advice
from modou.methods.base import Method
from modou.methods.evaluation import evaluate_text
from modou.methods.figures import Report
from modou.methods.likelihood import bits_per_character, excerpts
from modou.methods.planning import Budget, Plan, plan_training, training_seconds
from modou.methods.start import start_of
from modou.methods.text_report import TextReport, text_report
from modou.model.census import describe
from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.stages import StageRecord
from modou.runs.weights import load_tokenizer
from modou.settings.run import MINUTES, RunSettings
from modou.settings.sampling import SamplingSettings
from modou.settings.train import with_minutes
from modou.text.corpus import Corpus
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Event, Planned, Sample, StageEnded, StageName
from modou.train.measure import matrix_rate
from modou.train.objective import StatelessObjective
from modou.train.parallel import World, parallelize
from modou.train.ways import PARTS, USUAL_THREADS, choose_way, measure_pace, opened, settled


@dataclass(frozen=True)
class TokenBatch:
    """Inputs and next tokens, (B, T) ids each; `count` targets have loss. With a document mask, a position attends from
    `start`, where its document begins."""

    ids_BT: Tensor
    target_BT: Tensor
    count: int
    start_BT: Tensor | None = None


@dataclass(frozen=True)
class PretrainFigures:
    """Figures on held-out text, during training."""

    bits_per_char: float
    """Bits per character of the validation text, or of the beginnings of its chapters."""


@dataclass(frozen=True)
class Pretrain(StatelessObjective):
    """The objective of `modou pretrain`. See train.objective for the contract."""

    batches: Batches | Packing
    tokenizer: Tokenizer
    validation: Sequence[str]
    prompts: Sequence[str]
    sampling: SamplingSettings
    characters_per_token: float
    device: torch.device
    micro_batch: int = 0
    measure: str = "bits_per_char"

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[TokenBatch]:
        """This process's rows of the step's batch, in micro-batches."""
        ids_BT, target_BT, start_BT = text_rows(self.batches, step, rank, world)
        missing = -(-self.batches.batch_rows // world) - len(ids_BT)
        if missing:  # rows without loss: every process must make the same number of passes
            padding = ((0, missing), (0, 0))
            ids_BT = np.pad(ids_BT, padding, constant_values=PADDING)
            target_BT = np.pad(target_BT, padding, constant_values=IGNORE)
            start_BT = None if start_BT is None else np.pad(start_BT, padding)
        size = self.micro_batch or len(ids_BT)
        batches: list[TokenBatch] = []
        for first in range(0, len(ids_BT), size):
            part = slice(first, first + size)
            ids, target = (torch.from_numpy(whole[part]).to(self.device) for whole in (ids_BT, target_BT))
            start = None if start_BT is None else torch.from_numpy(start_BT[part]).to(self.device)
            batches.append(TokenBatch(ids, target, int((target_BT[part] != IGNORE).sum()), start))
        return batches

    def loss(self, model: GPT, batch: TokenBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss summed over the targets, in nats; the same in bits per character of training text."""
        nats = model.loss(batch.ids_BT, batch.target_BT, batch.start_BT)
        return nats, {"bits_per_char": nats.detach() / (math.log(2) * self.characters_per_token)}

    def evaluate(self, model: GPT) -> PretrainFigures:
        """Bits per character on the validation excerpts."""
        return PretrainFigures(bits_per_character(model, self.tokenizer, self.validation).value)

    def sample(self, model: GPT) -> Sequence[Sample]:
        """A continuation of each prompt."""
        written = complete(model, self.tokenizer, self.prompts, self.sampling)
        return [
            Sample(prompt, self.sampling.seed, text.text) for prompt, text in zip(self.prompts, written, strict=True)
        ]


class PretrainMethod(Method[RunSettings]):
    """See the module's docstring. Its stages lead from the text of a book to token files."""

    preparations = ("clean", "tokenizer", "shards")
    has_page = True
    chooses_way = True

    def __init__(self, run: RunFolder, record: Record[RunSettings]) -> None:
        super().__init__(run, record)
        self.start = start_of(record)

    def prepare(self, stage: StageName, done: StageRecord | None) -> Iterator[Event]:
        """See Method. The vocabulary size is chosen before the tokenizer is trained: it depends on the text alone."""
        if stage == "tokenizer" and not self.record.planned:
            yield from self.start.notices()
            settings, choices = self.start.plan_tokenizer(preparation.text_facts(self.run), self.record.settings)
            self.record = self.record.with_settings(settings)
            yield Planned(tuple((c.name, c.value, c.reason) for c in choices), None)
        if done is not None:
            yield StageEnded(stage, done.numbers, skipped=True)
            return
        match stage:
            case "clean":
                yield from preparation.clean(self.run, self.record)
            case "tokenizer":
                yield from preparation.make_tokenizer(self.run, self.record.settings, self.start)
            case _:
                yield from preparation.write_tokens(self.run, self.start)

    def plan(self, settings: RunSettings) -> Generator[Event, None, tuple[RunSettings, Plan]]:
        """See Method and modou.methods.planning: model shape, steps and regularisation."""
        tokenizer = load_tokenizer(self.run)
        tokens = preparation.open_tokens(self.run, tokenizer).tokens
        rate = matrix_rate(choose_device(settings.train.device)) if settings.train.minutes else 0.0
        budget = Budget(settings.train.minutes, rate, measure_pace, choose_way)
        facts, base = preparation.text_facts(self.run), self.start.shape
        planned, plan = plan_training(facts, tokens, tokenizer.vocabulary, budget, settings, base)
        yield Planned(tuple((c.name, c.value, c.reason) for c in plan.choices), plan.expected["bits_per_char"])
        return planned, plan

    def replan(self, settings: RunSettings, asked: RunSettings) -> RunSettings:
        """See Method."""
        given = {name: getattr(asked.train, name) for name in PARTS if asked.is_set("train", name)}
        settings = opened(settings).with_values({"train": given})
        torch.set_num_threads(settings.train.threads or USUAL_THREADS)  # not those of the machine before
        way, _ = choose_way(settings, training_seconds(settings))
        return settled(settings, way)

    def build(self, settings: RunSettings, world: World) -> tuple[GPT, Pretrain]:
        """See Method. UserError: the text, tokenizer or token files were changed since they were written."""
        tokenizer = load_tokenizer(self.run)
        corpus = preparation.open_corpus(self.run)
        shards = preparation.open_tokens(self.run, tokenizer)
        train, shape = settings.train, settings.model
        if shape.vocabulary != tokenizer.vocabulary:
            raise UserError("pipeline.other_vocabulary", path=self.run.tokenizer)
        precision = torch.bfloat16 if train.precision == "bfloat16" else torch.float32
        model = parallelize(self.start.network(settings), world, precision)
        objective = Pretrain(
            batches=make_batches(shards, shape.context, train.batch, train.seed, train.document_mask),
            tokenizer=tokenizer,
            validation=excerpts(list(corpus.texts("validation")), settings.evaluate.quick_characters),
            prompts=preparation.prompts(corpus, settings),
            sampling=settings.sampling.changed(tokens=80, samples=1),
            characters_per_token=corpus.characters("train") / max(1, shards.tokens - shards.documents),
            device=world.device,
            micro_batch=train.micro_batch,
        )
        return model, objective

    def identity(self) -> dict[str, str]:
        """See Method."""
        made = {
            "corpus_sha256": Corpus(self.run.corpus).summary.sha256,
            "tokenizer_sha256": load_tokenizer(self.run).sha256,
        }
        return made | self.start.identity()

    def flops_per_token(self, settings: RunSettings) -> float:
        """See Method."""
        return describe(settings.model).flops_per_token

    def evaluate(self, settings: RunSettings, which: str | int = "best") -> Iterator[Event]:
        """See modou.methods.evaluation."""
        yield from evaluate_text(self.run, settings, which, self.start.before(settings))

    def report(self, common: Report, history: Sequence[dict[str, Any]]) -> TextReport:
        """See Method: the text, tokenizer, model, plan, training curve and advice."""
        found = text_report(self.run, self.record.settings, common, history)
        return replace(found, advice=advice(found))

    @classmethod
    def default_budget(cls, settings: RunSettings) -> RunSettings | None:
        """Half an hour. Minutes that somebody set to 0 are no limit."""
        if settings.is_set("train", "minutes") or settings.is_set("train", "steps"):
            return None
        return with_minutes(settings, MINUTES)


METHOD = PretrainMethod
