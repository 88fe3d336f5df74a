"""`modou reward` and `modou dpo`: what people prefer becomes a judge, or a model that answers so."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from modou.data.conversation import Message, Template
from modou.data.examples import Preferences, quick, read_preferences, split, taken
from modou.errors import UserError
from modou.model.gpt import GPT
from modou.model.scored import ImplicitGPT, ScoredGPT
from modou.pipeline.align.beginning import Beginning
from modou.pipeline.align.method import Method, drift, run_method
from modou.pipeline.events import Event
from modou.runs.folder import RunFolder, load_model, load_weights
from modou.settings.align import DpoRun, PreferenceOptimizer, RewardRun
from modou.settings.base import merge
from modou.settings.model import ModelSettings
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.dpo import Dpo
from modou.train.parallel import World, parallelize
from modou.train.reward import RewardObjective
from modou.train.sft import answers

SHOWN = 3
"""Held-out questions that are answered at every evaluation."""


def reward(
    base: Path,
    data: Path,
    asked: RewardRun,
    out: Path | None = None,
    columns: str = "",
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Data, training, evaluation of a reward model; what is done is skipped. UserError: begun with other settings."""
    if asked.reward.kind == "implicit":  # trained as in DPO, at its rates; a token is rewarded for itself alone
        rates = PreferenceOptimizer().model_dump(include={"matrix_lr", "embedding_lr", "norm_lr"})
        below = {"optimizer": rates, "reward": {"centre": 0.0}}
        asked = RewardRun.parse(merge(below, asked.model_dump(exclude_unset=True)))
    yield from run_method("reward", base, data, asked, out, columns, should_stop, RewardMethod)


def dpo(
    base: Path,
    data: Path,
    asked: DpoRun,
    out: Path | None = None,
    columns: str = "",
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Data, training, evaluation by DPO; what is done is skipped. UserError: begun with other settings."""
    yield from run_method("dpo", base, data, asked, out, columns, should_stop, DpoMethod)


class _Pairs:
    """The base, and the pairs of the file."""

    def __init__(self, beginning: Beginning[Any]) -> None:
        self.base = RunFolder(Path(beginning.base))
        self.template = Template(Tokenizer.load(self.base.tokenizer))
        self.shape = ModelSettings.parse(self.base.read_settings().get("model", {})).changed(dropout=0.0)
        self.data: Preferences = read_preferences(
            Path(beginning.data), beginning.columns, self.template, self.shape.context
        )

    def stride(self, settings: Any) -> int:
        """Every step is by itself."""
        return 1

    def facts(self) -> dict[str, Any]:
        """What the file holds."""
        return self.data.facts()

    def load(self) -> GPT:
        """The base's weights in a model without dropout: what is compared must not be random."""
        with torch.random.fork_rng(devices=[]):
            model = GPT(self.shape)
        model.load_state_dict(load_weights(self.base)[0].state_dict())
        return model

    def divided(self, held_out: float, seed: int) -> tuple[list[int], list[int]]:
        """Indices of pairs to train on and to measure. Those of one question stay together: a good answer that was
        learned from is no test."""
        places = defaultdict[tuple[Message, ...], list[int]](list)
        for place, question in enumerate(self.data.questions):
            places[question].append(place)
        every = list(places.values())
        seen, measured = split(len(every), held_out, seed)
        return sorted(chain(*taken(every, seen))), sorted(chain(*taken(every, measured)))

    def steps_for(self, epochs: float, held_out: float, batch: int, seed: int) -> int:
        """Updates that read every pair so many times."""
        return max(1, math.ceil(epochs * len(self.divided(held_out, seed)[0]) / batch))


class RewardMethod(_Pairs, Method[RewardRun]):
    """What is particular to the reward model."""

    def __init__(self, beginning: Beginning[RewardRun]) -> None:
        super().__init__(beginning)
        self.reference = RunFolder(Path(beginning.settings.reward.reference or beginning.base))
        shape = ModelSettings.parse(self.reference.read_settings().get("model", {})).changed(dropout=0.0)
        if shape != self.shape or Tokenizer.load(self.reference.tokenizer).sha256 != self.template.tokenizer.sha256:
            raise UserError("align.other_reference", reference=self.reference.path, base=self.base.path)

    def steps(self, settings: RewardRun) -> int:
        """Updates that read every pair so many times."""
        own, train = settings.reward, settings.train
        return self.steps_for(own.epochs, own.held_out, train.batch, train.seed)

    def build(self, settings: RewardRun, world: World) -> tuple[GPT, RewardObjective]:
        """The base's weights, which think as much of anything, and the objective."""
        seen, held_out = self.divided(settings.reward.held_out, settings.train.seed)
        torch.manual_seed(settings.train.seed)
        own = settings.reward
        model = ImplicitGPT(self.shape, own.beta) if own.kind == "implicit" else ScoredGPT(self.shape)
        model.load_state_dict(self.load().state_dict(), strict=False)
        if isinstance(model, ImplicitGPT):
            model.reference.load_state_dict(load_weights(self.reference)[0].state_dict())
        objective = RewardObjective(
            pairs=taken(self.data.pairs, seen),
            held_out=taken(self.data.pairs, quick(held_out)),
            settings=settings.reward,
            batch=settings.train.batch,
            seed=settings.train.seed,
            device=world.device,
            micro_batch=settings.train.micro_batch,
        )
        return parallelize(model, world), objective

    def evaluate(self, folder: RunFolder, settings: RewardRun) -> dict[str, Any]:
        """How often the held-out pair's better answer gets the higher reward, by kind."""
        _, objective = self.build(settings, World(torch.device("cpu")))
        _, held_out = self.divided(settings.reward.held_out, settings.train.seed)
        return replace(objective, held_out=taken(self.data.pairs, held_out)).evaluate(load_model(folder)[0])


class DpoMethod(_Pairs, Method[DpoRun]):
    """What is particular to DPO."""

    def steps(self, settings: DpoRun) -> int:
        """Updates that read every pair so many times."""
        own, train = settings.dpo, settings.train
        return self.steps_for(own.epochs, own.held_out, train.batch, train.seed)

    def build(self, settings: DpoRun, world: World) -> tuple[GPT, Dpo]:
        """The base's weights twice, to train and as the reference, and the objective."""
        seen, held_out = self.divided(settings.dpo.held_out, settings.train.seed)
        objective = Dpo(
            pairs=taken(self.data.pairs, seen),
            held_out=taken(self.data.pairs, quick(held_out)),
            prompts=taken(self.data.questions, held_out[:SHOWN]),
            reference=self.load().eval().requires_grad_(False).to(world.device),
            template=self.template,
            sampling=settings.sampling.changed(samples=1),
            settings=settings.dpo,
            batch=settings.train.batch,
            seed=settings.train.seed,
            device=world.device,
            micro_batch=settings.train.micro_batch,
        )
        return parallelize(self.load(), world), objective

    def evaluate(self, folder: RunFolder, settings: DpoRun) -> dict[str, Any]:
        """Loss and accuracy on held-out pairs, answers, and what became of the text it was pretrained on."""
        _, objective = self.build(settings, World(torch.device("cpu")))
        _, held_out = self.divided(settings.dpo.held_out, settings.train.seed)
        objective = replace(objective, held_out=taken(self.data.pairs, held_out))
        before, after = load_model(self.base)[0], load_model(folder)[0]
        return {
            **objective.evaluate(after),
            "samples": answers(after, self.template, objective.prompts, objective.sampling),
            **drift(self.base, before, after, self.template.tokenizer),
        }
