"""`modou ppo` and `modou grpo`: the model answers, a judge scores, what scored well becomes likelier."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from modou.data.conversation import Template
from modou.data.examples import read_questions, split, taken
from modou.errors import UserError
from modou.model.gpt import GPT
from modou.model.scored import ScoredGPT
from modou.pipeline.align.beginning import Beginning
from modou.pipeline.align.judges import ModelJudge, make_judge, make_pointer, room_for_questions
from modou.pipeline.align.method import Method, drift, run_method
from modou.pipeline.events import Event
from modou.runs.folder import RunFolder, load_model, load_weights
from modou.settings.align import GrpoRun, PpoRun
from modou.settings.model import ModelSettings
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.grpo import Grpo
from modou.train.parallel import World, parallelize
from modou.train.ppo import Ppo
from modou.train.rl import PolicyObjective


def ppo(
    base: Path,
    data: Path,
    asked: PpoRun,
    judge: str,
    out: Path | None = None,
    columns: str = "",
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Data, training, evaluation by PPO; what is done is skipped. UserError: begun with other settings."""
    yield from run_method("ppo", base, data, asked, out, columns, should_stop, PpoMethod, judge)


def grpo(
    base: Path,
    data: Path,
    asked: GrpoRun,
    judge: str,
    out: Path | None = None,
    columns: str = "",
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Data, training, evaluation by GRPO; what is done is skipped. UserError: begun with other settings."""
    yield from run_method("grpo", base, data, asked, out, columns, should_stop, GrpoMethod, judge)


class _Reinforced:
    """The base, the questions, and the judge's name."""

    def __init__(self, beginning: Beginning[Any]) -> None:
        self.base, self.judge = RunFolder(Path(beginning.base)), beginning.judge
        self.template = Template(Tokenizer.load(self.base.tokenizer))
        self.shape = ModelSettings.parse(self.base.read_settings().get("model", {})).changed(dropout=0.0)
        tokens = beginning.settings.rollout.tokens
        room = room_for_questions([self.base], [self.judge], tokens)
        rounds = beginning.settings.rollout
        if rounds.minibatches > rounds.prompts * rounds.group:
            answers = rounds.prompts * rounds.group
            raise UserError("align.too_many_minibatches", minibatches=rounds.minibatches, answers=answers)
        if room < 1:
            raise UserError("align.answer_fills_context", tokens=tokens, context=self.shape.context)
        self.data = read_questions(Path(beginning.data), beginning.columns, self.template, room)

    def stride(self, settings: PpoRun | GrpoRun) -> int:
        """A round's updates."""
        return settings.rollout.epochs * settings.rollout.minibatches

    def facts(self) -> dict[str, Any]:
        """What the file holds."""
        return self.data.facts()

    def steps(self, settings: PpoRun | GrpoRun) -> int:
        """Updates of the rounds asked for."""
        return settings.rollout.rounds * self.stride(settings)

    def load(self) -> GPT:
        """The base's weights in a model without dropout: what is compared must not be random."""
        with torch.random.fork_rng(devices=[]):
            model = GPT(self.shape)
        model.load_state_dict(load_weights(self.base)[0].state_dict())
        return model

    def common(self, settings: PpoRun | GrpoRun, world: World) -> dict[str, Any]:
        """What both objectives are made of."""
        count = len(self.data.items)
        share = min(0.5, settings.rollout.held_out / count)
        seen, held_out = split(count, share, settings.train.seed, settings.rollout.held_out)
        return {
            "questions": taken(self.data.items, seen),
            "held_out": taken(self.data.items, held_out),
            "judge": make_judge(self.judge, self.template.tokenizer, world.device),
            "reference": self.load().eval().requires_grad_(False).to(world.device),
            "template": self.template,
            "rollout": settings.rollout,
            "seed": settings.train.seed,
            "world": world,
            "micro_batch": settings.train.micro_batch,
        }

    def outcome(self, folder: RunFolder, objective: PolicyObjective) -> dict[str, Any]:
        """Reward and distance on held-out questions, before and after, and what became of what was pretrained."""
        before, after = load_model(self.base)[0], load_model(folder)[0]
        return {
            **objective.evaluate(after),
            "base": objective.evaluate(before),
            "samples": objective.sample(after),
            **drift(self.base, before, after, self.template.tokenizer),
        }


class PpoMethod(_Reinforced, Method[PpoRun]):
    """What is particular to PPO."""

    def build(self, settings: PpoRun, world: World) -> tuple[GPT, Ppo]:
        """The base's weights with a value that is 0 everywhere, and the objective."""
        torch.manual_seed(settings.train.seed)
        model = ScoredGPT(self.shape)
        model.load_state_dict(self.load().state_dict(), strict=False)
        return parallelize(model, world), self._objective(settings, world)

    def evaluate(self, folder: RunFolder, settings: PpoRun) -> dict[str, Any]:
        """See `outcome`."""
        return self.outcome(folder, self._objective(settings, World(torch.device("cpu"))))

    def _objective(self, settings: PpoRun, world: World) -> Ppo:
        common = self.common(settings, world)
        judge = common["judge"]
        by_step = judge.by_step if settings.ppo.dense_reward and isinstance(judge, ModelJudge) else None
        return Ppo(**common, settings=settings.ppo, step_judge=by_step)


class GrpoMethod(_Reinforced, Method[GrpoRun]):
    """What is particular to GRPO."""

    def build(self, settings: GrpoRun, world: World) -> tuple[GPT, Grpo]:
        """The base's weights, and the objective."""
        return parallelize(self.load(), world), self._objective(settings, world)

    def evaluate(self, folder: RunFolder, settings: GrpoRun) -> dict[str, Any]:
        """See `outcome`."""
        return self.outcome(folder, self._objective(settings, World(torch.device("cpu"))))

    def _objective(self, settings: GrpoRun, world: World) -> Grpo:
        pointer = make_pointer(self.judge) if settings.grpo.token_credit else None
        return Grpo(**self.common(settings, world), settings=settings.grpo, pointer=pointer)
