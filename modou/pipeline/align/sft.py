"""`modou sft`: a model that continues text learns to answer, from conversations."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from modou.data.conversation import Template
from modou.data.examples import Conversations, quick, read_conversations, split, taken
from modou.data.packing import Packing
from modou.errors import UserError
from modou.model.gpt import GPT
from modou.pipeline.align.beginning import Beginning, marked
from modou.pipeline.align.method import Method, drift, run_method
from modou.pipeline.events import Event
from modou.runs.folder import RunFolder, load_model, load_weights, make_model
from modou.settings.align import SftRun
from modou.train.parallel import World, parallelize
from modou.train.sft import Sft, answers

SHOWN = 3
"""Held-out questions that are answered at every evaluation."""


def sft(
    base: Path,
    data: Path,
    asked: SftRun,
    out: Path | None = None,
    columns: str = "",
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Data, training, evaluation; what is done is skipped. UserError: the folder was begun with other settings."""
    if asked.sft.lora_rank:  # Muon is made for whole matrices
        if asked.is_set("optimizer", "name") and asked.optimizer.name == "muon":
            raise UserError("align.adapters_want_adamw")
        rate = {} if asked.is_set("optimizer", "matrix_lr") else {"matrix_lr": asked.optimizer.embedding_lr}
        asked = asked.with_values({"optimizer": {"name": "adamw", **rate}})
    yield from run_method("sft", base, data, asked, out, columns, should_stop, SftMethod)


class SftMethod(Method[SftRun]):
    """What is particular to SFT."""

    def __init__(self, beginning: Beginning[SftRun]) -> None:
        self.base = RunFolder(Path(beginning.base))
        tokenizer, self.shape, self.added = marked(self.base)
        self.data: Conversations = read_conversations(
            Path(beginning.data), beginning.columns, Template(tokenizer), self.shape.context
        )
        taught = {id for one in self.data.encoded for id, is_it in zip(one.ids, one.trained, strict=True) if is_it}
        self.template = Template(tokenizer.knowing(taught))

    def stride(self, settings: Any) -> int:
        """Every step is by itself."""
        return 1

    def facts(self) -> dict[str, Any]:
        """What the file holds, and the marks that the base's tokenizer was trained without."""
        return {**self.data.facts(), "marks_added": self.added}

    def steps(self, settings: SftRun) -> int:
        """Updates that read every conversation so many times."""
        return max(1, math.ceil(settings.sft.epochs * self._packed(settings).rows_per_epoch / settings.train.batch))

    def build(self, settings: SftRun, world: World) -> tuple[GPT, Sft]:
        """The base's weights, with adapters where they are asked for, and the objective."""
        weights, _, _ = load_weights(self.base, extend=True)
        torch.manual_seed(settings.train.seed)
        model = make_model({"model": self.shape.model_dump(), "sft": settings.sft.model_dump()})
        model.load_state_dict(weights.state_dict(), strict=not settings.sft.lora_rank)
        held_out = self._held_out(settings)
        objective = Sft(
            conversations=self._packed(settings),
            held_out=taken(self.data.encoded, quick(held_out)),
            prompts=[messages[:-1] for messages in taken(self.data.messages, held_out[:SHOWN])],
            template=self.template,
            sampling=settings.sampling.changed(samples=1),
            device=world.device,
            micro_batch=settings.train.micro_batch,
            unlikelihood=settings.sft.unlikelihood,
        )
        precision = torch.bfloat16 if settings.train.precision == "bfloat16" else torch.float32
        return parallelize(model, world, precision), objective

    def evaluate(self, folder: RunFolder, settings: SftRun) -> dict[str, Any]:
        """Loss on held-out answers before and after; bits per character on the base's own text before and after."""
        _, objective = self.build(settings, World(torch.device("cpu")))
        objective = replace(objective, held_out=taken(self.data.encoded, self._held_out(settings)))
        before, after = load_model(self.base, extend=True)[0], load_model(folder)[0]
        return {
            **objective.evaluate(after),
            "base": objective.evaluate(before),
            "samples": answers(after, self.template, objective.prompts, objective.sampling),
            **drift(self.base, before, after, self.template.tokenizer),
        }

    def _packed(self, settings: SftRun) -> Packing:
        seen, _ = split(len(self.data.encoded), settings.sft.held_out, settings.train.seed)
        encoded = taken(self.data.encoded, seen)
        return Packing(encoded, self.shape.context, settings.train.batch, settings.sft.packed, settings.train.seed)

    def _held_out(self, settings: SftRun) -> list[int]:
        return split(len(self.data.encoded), settings.sft.held_out, settings.train.seed)[1]
