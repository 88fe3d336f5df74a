"""What PPO and GRPO share: rollouts in rounds, and the minibatch updates made from each round.

Equal answers of a group are computed once, weighted by their number: the same sums at less cost.

Step `step` belongs to round step // updates_per_round. A round is generated at its first step and saved in checkpoints
with everything computed from it, so that a run interrupted within a round resumes bit-identically.
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
from modou.data.examples import Question, Questions, read_questions, select, split
from modou.data.order import example_at
from modou.messages import UserError
from modou.methods.base import Alignment
from modou.model.gpt import GPT, evaluation_mode
from modou.model.scoring import ends, score_tokens
from modou.runs.record import Record
from modou.runs.weights import load_tokenizer
from modou.settings.methods import GrpoRun, PpoRun, RolloutSettings
from modou.settings.sampling import SamplingSettings
from modou.tasks.judges import make_judge, room_for_questions
from modou.train import policy
from modou.train.events import Sample
from modou.train.parallel import World, replica
from modou.train.rollouts import Answer, Judge, Rollout, first_equal, pad_answers, sample_answers

P = TypeVar("P", PpoRun, GrpoRun)
EVALUATION_KEY = 1 << 40
"""In place of the round's number in the random key of evaluation answers."""


@dataclass(frozen=True)
class RolloutBatch:
    """A micro-batch: rows of the round's tensors. `count`: tokens of answers."""

    tensors: dict[str, Tensor]
    count: int

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]


@dataclass(frozen=True)
class PolicyFigures:
    """Figures on answers to held-out questions (ppo, grpo)."""

    reward: float
    """Mean score of an answer."""
    kl: float
    """Mean KL of an answer from the start of the training, in nats."""
    loss: float
    """KL weighted as at the start of the training, less the reward."""
    length: float
    """Mean length of an answer, in tokens."""


@dataclass
class PolicyObjective(ABC):
    """The objective of PPO and GRPO but for the advantages and the loss."""

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
    measure: str = "loss"
    kl_weight: float = 0.0
    """Weight of the KL penalty in the reward, per nat; PPO may adapt it."""
    initial_kl_weight: float = field(init=False, default=0.0)
    """Its initial value, used in evaluations so that they stay comparable."""
    sampling: SamplingSettings = field(init=False)
    round: int = field(init=False, default=-1)
    """Number of the current round; -1 before the first."""
    round_tensors: dict[str, Tensor] = field(init=False, default_factory=dict[str, Tensor])
    """Its rollout and advantages."""
    round_metrics: dict[str, float] = field(init=False, default_factory=dict[str, float])
    """Its mean reward and so on."""

    def __post_init__(self) -> None:
        self.sampling = SamplingSettings(
            tokens=self.rollout.tokens, temperature=self.rollout.temperature, top_p=1.0, seed=self.seed
        )

    @property
    def answers_per_round(self) -> int:
        """Answers generated per round."""
        return self.rollout.prompts * self.rollout.group

    @property
    def updates_per_round(self) -> int:
        """Optimizer steps per round."""
        return self.rollout.epochs * self.rollout.minibatches

    @abstractmethod
    def compute_advantages(self, rollout: Rollout, model: GPT) -> dict[str, Tensor]:
        """The tensor "advantages_NT" and others that the loss needs, (N, T) each. model: the policy of the rollout."""

    @abstractmethod
    def loss(self, model: GPT, batch: RolloutBatch) -> tuple[Tensor, dict[str, Any]]:
        """The loss summed over the micro-batch's tokens, and sums of metrics."""

    # -- rounds --

    def prepare(self, model: GPT, step: int) -> None:
        """Generates the step's round unless it is the current one."""
        round = step // self.updates_per_round
        if round == self.round:
            return
        actor = replica(model, self.world)
        positions = range(round * self.rollout.prompts, (round + 1) * self.rollout.prompts)
        questions = [self.questions[example_at(position, len(self.questions), self.seed)] for position in positions]
        with evaluation_mode(actor):
            rollout = self.generate_rollout(actor, questions, self.rollout.group, round)
            self.round_tensors = rollout.tensors() | self.compute_advantages(rollout, actor)
        self.round, self.round_metrics = round, self._summary(rollout)

    def generate_rollout(self, actor: GPT, questions: Sequence[Question], group: int, key: int) -> Rollout:
        """`group` answers to each question by the policy `actor`, scored. key: see train.rollouts.sample_answers."""
        answers = sample_answers(actor, self.template, questions, group, self.sampling, key, self.world)
        return self.make_rollout(actor, answers, group)

    def make_rollout(self, actor: GPT, answers: Sequence[Answer], group: int) -> Rollout:
        """The answers with their scores and their tokens' log-probabilities under `actor` and the reference."""
        padded = pad_answers(answers)
        first_N = first_equal(answers, group)
        read_R, row_N = first_N.unique(return_inverse=True)
        ids_RT, target_RT, mask_RT = (padded[name][read_R] for name in ("ids_NT", "target_NT", "mask_NT"))
        old_NT, reference_NT = (
            score_tokens(model, ids_RT, target_RT, mask_RT, self.sampling.temperature)[row_N]
            for model in (actor, self.reference)
        )
        scores_N, token_rewards_NT = self.scores(answers)
        scores_N = scores_N - self.unfinished_penalty(padded["ended_N"])
        return Rollout(
            **padded,
            old_NT=old_NT,
            reference_NT=reference_NT,
            times_N=first_N.bincount(minlength=len(answers)).float(),
            scores_N=scores_N,
            token_rewards_NT=token_rewards_NT,
            answers=answers,
        )

    def scores(self, answers: Sequence[Answer]) -> tuple[Tensor, Tensor | None]:
        """Scores, (N,), and rewards of the single tokens, (N, T), if the judge gives them."""
        return self.judge(answers), None

    def unfinished_penalty(self, ended_N: Tensor) -> Tensor:
        """The amount subtracted from each score, (N,): not 0 if the answer was cut off at the token limit."""
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
        """This process's share of the step's minibatch, as many micro-batches in every process."""
        epoch, part = divmod(step % self.updates_per_round, self.rollout.minibatches)
        key = np.array([self.seed % (1 << 64), self.round], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=[0, epoch + 1, 0, 0]))
        distinct = self.round_tensors["times_N"].nonzero()[:, 0].numpy()
        rows: list[int] = generator.permutation(distinct)[part :: self.rollout.minibatches].tolist()
        mine = rows[len(rows) * rank // world : len(rows) * (rank + 1) // world]
        mine.sort(key=ends(self.round_tensors["mask_NT"]).tolist().__getitem__)  # by length, to save padding
        share = max(1, -(-len(rows) // world))
        size = self.micro_batch or share
        return [self._rows(mine[first : first + size]) for first in range(0, share, size)]

    def _rows(self, rows: Sequence[int]) -> RolloutBatch:
        """These rows, cut at the last token, weighted by multiplicity; no rows become one without loss."""
        chosen = torch.tensor(rows or [0])
        tensors = {name: tensor[chosen] for name, tensor in self.round_tensors.items()}
        tensors["mask_NT"] = tensors["mask_NT"] * tensors["times_N"][:, None]
        if not rows:
            tensors["mask_NT"] = torch.zeros_like(tensors["mask_NT"])
        width = max(1, int(ends(tensors["mask_NT"]).max()))
        tensors = {name: tensor[:, :width] if name.endswith("_NT") else tensor for name, tensor in tensors.items()}
        count = int(tensors["mask_NT"].sum())
        return RolloutBatch({name: tensor.to(self.world.device) for name, tensor in tensors.items()}, count)

    def common_metrics(self, logits_NV: Tensor, kl_BT: Tensor, clipped: Tensor, mask_BT: Tensor) -> dict[str, Tensor]:
        """KL to the reference, entropy and clipped tokens, summed over the N tokens of answers; and the round's
        metrics, multiplied by their number so that the loop's division restores them."""
        with torch.no_grad():
            entropy_N = policy.token_entropies(logits_NV, self.sampling.temperature)
            entropy = (entropy_N * mask_BT[mask_BT.bool()]).sum()
        of_round = {name: value * mask_BT.sum() for name, value in self.round_metrics.items()}
        kl = (kl_BT * mask_BT).sum().detach()
        return {"kl": kl, "entropy": entropy, "clipped": clipped.detach(), **of_round}

    # -- evaluations --

    def evaluate(self, model: GPT) -> PolicyFigures:
        """Figures of an answer to each held-out question, with the same random numbers each time."""
        with evaluation_mode(model):
            found = self.generate_rollout(model, self.held_out, 1, EVALUATION_KEY)
        kl = policy.kl_k1(found.old_NT, found.reference_NT).sum(1).mean().item()
        reward = found.scores_N.mean().item()
        return PolicyFigures(reward, kl, self.initial_kl_weight * kl - reward, found.mask_NT.sum(1).mean().item())

    def sample(self, model: GPT) -> Sequence[Sample]:
        """Answers to the first held-out questions."""
        alone = World(self.world.device)
        questions = self.held_out[: self.shown]
        answers = sample_answers(model, self.template, questions, 1, self.sampling, EVALUATION_KEY, alone)
        return [Sample(one.question.text, self.seed, one.text) for one in answers]

    def state(self) -> dict[str, Any]:
        """See Objective: the round's number and metrics, and the KL weight."""
        return {"round": self.round, "facts": self.round_metrics, "kl_weight": self.kl_weight}

    def tensors(self) -> dict[str, Tensor]:
        """See Objective: the round."""
        return self.round_tensors

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """See Objective."""
        self.round, self.round_metrics = int(state["round"]), dict(state["facts"])
        self.kl_weight, self.round_tensors = float(state["kl_weight"]), dict(tensors)


class PolicyMethod(Alignment[P, Questions]):
    """Reinforcement learning from scores of the model's own answers."""

    def read(self, data: Path, columns: str) -> None:
        """See Alignment. UserError also: more minibatches than answers, no room for an answer in the context."""
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

    def steps_per_round(self, settings: P) -> int:
        """Optimizer steps per round."""
        return settings.rollout.epochs * settings.rollout.minibatches

    def steps(self, settings: P) -> int:
        """The optimizer steps of all rounds."""
        return settings.rollout.rounds * self.steps_per_round(settings)

    def split(self, settings: P) -> tuple[list[int], list[int]]:
        """See Alignment."""
        keys = [question.ids for question in self.data.items]
        wanted = settings.rollout.held_out
        return split(keys, min(0.5, wanted / len(keys)), settings.train.seed, wanted)

    def common(self, settings: P, world: World) -> dict[str, Any]:
        """The arguments that both objectives share."""
        train, held_out = self.split(settings)
        return {
            "questions": select(self.data.items, train),
            "held_out": select(self.data.items, held_out),
            "judge": make_judge(self.judge, self.template.tokenizer, world.device),
            "reference": self.load_base().eval().requires_grad_(False).to(world.device),
            "template": self.template,
            "rollout": settings.rollout,
            "seed": settings.train.seed,
            "world": world,
            "micro_batch": settings.train.micro_batch,
        }
