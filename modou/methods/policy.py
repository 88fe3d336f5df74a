"""What PPO and GRPO share: rounds of answers, and the passes over each round.

Where a question has one short answer, many of a group are the same. They are scored and learned from once, each token
weighing as much as all of them: the same sums for less.

Update number `step` belongs to round step // updates_a_round. A round is written when its first update is asked for and
kept, with everything taken from it, in the checkpoint, so that a run stopped inside a round goes on to the bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from modou.data.conversation import Template
from modou.data.examples import Question, Questions, read_questions, split, taken
from modou.data.order import example_at
from modou.errors import UserError
from modou.methods.base import CPU, Alignment, drift
from modou.model.gpt import GPT
from modou.model.scoring import ends, score_tokens
from modou.runs.record import Record
from modou.runs.weights import load_model, load_tokenizer
from modou.settings.methods import GrpoRun, PpoRun, RolloutSettings
from modou.settings.sampling import SamplingSettings
from modou.tasks.judges import make_judge, room_for_questions
from modou.train import policy
from modou.train.parallel import World, replica
from modou.train.rollouts import Answer, Judge, Rollout, assemble, first_alike, roll_out

P = TypeVar("P", PpoRun, GrpoRun)
EVALUATION_KEY = 1 << 40
"""The key of the answers of evaluations: no round has it."""


@dataclass(frozen=True)
class RolloutBatch:
    """A micro-batch: rows of the round; `count` tokens of answers."""

    tensors: dict[str, Tensor]
    count: int

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]


@dataclass
class PolicyObjective(ABC):
    """Everything but the advantages and the loss, which a subclass has."""

    questions: Sequence[Question]
    held_out: Sequence[Question]
    judge: Judge
    reference: GPT
    template: Template
    rollout: RolloutSettings
    seed: int
    world: World
    micro_batch: int = 0
    shown: int = 3
    measure: str = "validation.loss"
    kl_weight: float = 0.0
    """Price of a nat of distance from the reference in the reward."""
    price: float = field(init=False, default=0.0)
    """The same as it was at the start: evaluations are compared by one price."""
    sampling: SamplingSettings = field(init=False)
    round: int = field(init=False, default=-1)
    kept: dict[str, Tensor] = field(init=False, default_factory=dict[str, Tensor])
    facts: dict[str, float] = field(init=False, default_factory=dict[str, float])
    """Of the round: mean reward and so on."""

    def __post_init__(self) -> None:
        self.sampling = SamplingSettings(
            tokens=self.rollout.tokens, temperature=self.rollout.temperature, top_p=1.0, seed=self.seed
        )

    @property
    def answers_a_round(self) -> int:
        """Answers written before the next updates."""
        return self.rollout.prompts * self.rollout.group

    @property
    def updates_a_round(self) -> int:
        """Updates made from them."""
        return self.rollout.epochs * self.rollout.minibatches

    @abstractmethod
    def advise(self, rollout: Rollout, model: GPT) -> dict[str, Tensor]:
        """Advantages, and whatever else the loss needs, (N, T) each."""

    @abstractmethod
    def loss(self, model: GPT, batch: RolloutBatch) -> tuple[Tensor, dict[str, Any]]:
        """Sum over the tokens of the micro-batch, and sums of metrics."""

    # -- rounds --

    def prepare(self, model: GPT, step: int) -> None:
        """Writes the step's round unless it is there."""
        round = step // self.updates_a_round
        if round == self.round:
            return
        writer = replica(model, self.world)
        was_training = writer.training
        writer.eval()
        try:
            places = range(round * self.rollout.prompts, (round + 1) * self.rollout.prompts)
            questions = [self.questions[example_at(place, len(self.questions), self.seed)] for place in places]
            rollout = self.play(writer, questions, self.rollout.group, round)
            self.kept = rollout.tensors() | self.advise(rollout, writer)
        finally:
            writer.train(was_training)
        self.round, self.facts = round, self._summary(rollout)

    def play(self, writer: GPT, questions: Sequence[Question], group: int, key: int) -> Rollout:
        """Answers to the questions, judged and scored."""
        answers = roll_out(writer, self.template, questions, group, self.sampling, key, self.world)
        return self.scored(writer, answers, group)

    def scored(self, writer: GPT, answers: Sequence[Answer], group: int) -> Rollout:
        """The judge's scores, and the log-probabilities of every token under the writer and the reference."""
        padded = assemble(answers)
        first_N = first_alike(answers, group)
        read_R, row_N = first_N.unique(return_inverse=True)
        ids_RT, target_RT, mask_RT = (padded[name][read_R] for name in ("ids_NT", "target_NT", "mask_NT"))
        old_NT, reference_NT = (
            score_tokens(model, ids_RT, target_RT, mask_RT, self.sampling.temperature)[row_N]
            for model in (writer, self.reference)
        )
        scores_N, earned_NT = self.judged(answers)
        scores_N = scores_N - self.unfinished(padded["ended_N"])
        return Rollout(
            **padded,
            old_NT=old_NT,
            reference_NT=reference_NT,
            times_N=first_N.bincount(minlength=len(answers)).float(),
            scores_N=scores_N,
            earned_NT=earned_NT,
            answers=answers,
        )

    def judged(self, answers: Sequence[Answer]) -> tuple[Tensor, Tensor | None]:
        """Scores, and what of them each token earned, if that is known."""
        return self.judge(answers), None

    def unfinished(self, ended_N: Tensor) -> Tensor:
        """What is taken off the scores of answers that ran into the limit."""
        return self.rollout.unfinished_penalty * (1 - ended_N)

    def _summary(self, rollout: Rollout) -> dict[str, float]:
        scores_PG = rollout.scores_N.view(-1, self.rollout.group)
        kl_NT = policy.kl_k1(rollout.old_NT, rollout.reference_NT)
        return {
            "reward": rollout.scores_N.mean().item(),
            "reward_spread": scores_PG.std(1).mean().item() if self.rollout.group > 1 else 0.0,
            "answer_kl": kl_NT.sum(1).mean().item(),
            "length": rollout.mask_NT.sum(1).mean().item(),
            "ended": rollout.ended_N.mean().item(),
        }

    # -- updates --

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[RolloutBatch]:
        """This process's rows of the step's minibatch; every process makes as many passes."""
        epoch, part = divmod(step % self.updates_a_round, self.rollout.minibatches)
        key = np.array([self.seed % (1 << 64), self.round], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=[0, epoch + 1, 0, 0]))
        different = self.kept["times_N"].nonzero()[:, 0].numpy()
        rows: list[int] = generator.permutation(different)[part :: self.rollout.minibatches].tolist()
        mine = rows[len(rows) * rank // world : len(rows) * (rank + 1) // world]
        mine.sort(key=ends(self.kept["mask_NT"]).tolist().__getitem__)  # like lengths together: little padding
        share = max(1, -(-len(rows) // world))
        size = self.micro_batch or share
        return [self._rows(mine[first : first + size]) for first in range(0, share, size)]

    def _rows(self, rows: Sequence[int]) -> RolloutBatch:
        """Those rows, cut at their last token, each for all that are the same; none at all becomes one without loss."""
        chosen = torch.tensor(rows or [0])
        tensors = {name: tensor[chosen] for name, tensor in self.kept.items()}
        tensors["mask_NT"] = tensors["mask_NT"] * tensors["times_N"][:, None]
        if not rows:
            tensors["mask_NT"] = torch.zeros_like(tensors["mask_NT"])
        width = max(1, int(ends(tensors["mask_NT"]).max()))
        tensors = {name: tensor[:, :width] if name.endswith("_NT") else tensor for name, tensor in tensors.items()}
        count = int(tensors["mask_NT"].sum())
        return RolloutBatch({name: tensor.to(self.world.device) for name, tensor in tensors.items()}, count)

    def common_metrics(
        self, logits_NV: Tensor, distance_BT: Tensor, clipped: Tensor, mask_BT: Tensor
    ) -> dict[str, Tensor]:
        """Sums over the answers' N tokens that become means: distance from the reference, entropy, share clipped; and
        the figures of the round."""
        with torch.no_grad():
            entropy_N = policy.token_entropies(logits_NV, self.sampling.temperature)
            entropy = (entropy_N * mask_BT[mask_BT.bool()]).sum()
        facts = {name: value * mask_BT.sum() for name, value in self.facts.items()}
        return {"kl": (distance_BT * mask_BT).sum().detach(), "entropy": entropy, "clipped": clipped.detach(), **facts}

    # -- evaluations --

    def evaluate(self, model: GPT) -> dict[str, Any]:
        """Answers to held-out questions, the same random numbers each time: reward, distance, and what is maximised."""
        was_training = model.training
        model.eval()
        found = self.play(model, self.held_out, 1, EVALUATION_KEY)
        model.train(was_training)
        kl = policy.kl_k1(found.old_NT, found.reference_NT).sum(1).mean().item()
        reward = found.scores_N.mean().item()
        numbers = {"reward": reward, "kl": kl, "loss": self.price * kl - reward}
        return {"validation": numbers | {"length": found.mask_NT.sum(1).mean().item()}}

    def sample(self, model: GPT) -> Sequence[dict[str, Any]]:
        """Answers to the first of them."""
        alone = World(self.world.device)
        answers = roll_out(model, self.template, self.held_out[: self.shown], 1, self.sampling, EVALUATION_KEY, alone)
        return [{"prompt": one.question.text, "seed": self.seed, "text": one.text} for one in answers]

    def state(self) -> dict[str, Any]:
        """Which round is kept, its figures, and the price of distance."""
        return {"round": self.round, "facts": self.facts, "kl_weight": self.kl_weight}

    def tensors(self) -> dict[str, Tensor]:
        """The round."""
        return self.kept

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Takes them back."""
        self.round, self.facts = int(state["round"]), dict(state["facts"])
        self.kl_weight, self.kept = float(state["kl_weight"]), dict(tensors)


class PolicyMethod(Alignment[P, Questions]):
    """A method that learns from scored answers of its own."""

    def read(self, data: Path, columns: str) -> None:
        """See Alignment. UserError also: more minibatches than answers, no room for an answer."""
        self.judge = self.record.inputs["judge"].path
        self.template = Template(load_tokenizer(self.base))
        self.shape = Record[Any].read(self.base).model.changed(dropout=0.0)
        rounds = self.record.settings.rollout
        room = room_for_questions([self.base], [self.judge], rounds.tokens)
        if rounds.minibatches > rounds.prompts * rounds.group:
            answers = rounds.prompts * rounds.group
            raise UserError("align.too_many_minibatches", minibatches=rounds.minibatches, answers=answers)
        if room < 1:
            raise UserError("align.answer_fills_context", tokens=rounds.tokens, context=self.shape.context)
        self.data = read_questions(data, columns, self.template, room)

    def stride(self, settings: P) -> int:
        """A round's updates."""
        return settings.rollout.epochs * settings.rollout.minibatches

    def steps(self, settings: P) -> int:
        """Updates of the rounds asked for."""
        return settings.rollout.rounds * self.stride(settings)

    def common(self, settings: P, world: World) -> dict[str, Any]:
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

    @abstractmethod
    def objective(self, settings: P, world: World) -> PolicyObjective:
        """The objective."""

    def measure(self, settings: P, which: str | int) -> dict[str, Any]:
        """Reward and distance on held-out questions, before and after, and what became of what was pretrained."""
        objective = self.objective(settings, CPU)
        before, after = load_model(self.base)[0], load_model(self.run, which)[0]
        return {
            **objective.evaluate(after),
            "base": objective.evaluate(before),
            "samples": objective.sample(after),
            **drift(self.base, before, after, self.template.tokenizer),
        }
