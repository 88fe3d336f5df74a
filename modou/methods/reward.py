"""The reward model: a scalar for a whole conversation, learned from preference pairs (Bradley & Terry 1952).

loss = - sum over pairs of log sigmoid(r_chosen - r_rejected) + centre (r_chosen + r_rejected)^2
       + beginnings * the same for every prefix of the two answers    (train.policy.prefix_preference_loss)
       - sft_weight * log p(chosen answer)                            (implicit reward models only)
"""

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from modou.data.examples import select, subsample_indices
from modou.data.pairs import Pair, PairBatch, pair_batch, step_pairs
from modou.data.shards import IGNORE
from modou.messages import UserError
from modou.methods.base import CPU
from modou.methods.figures import AlignedEvaluation
from modou.methods.planning import Plan
from modou.methods.preferences import PAIRS_AT_ONCE, PairMethod
from modou.model.gpt import GPT, evaluation_mode
from modou.model.scored import ImplicitGPT, ScoredGPT
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model, load_tokenizer, load_weights
from modou.settings.base import merge
from modou.settings.methods import PreferenceOptimizer, RewardRun, RewardSettings
from modou.train import policy
from modou.train.events import Event, Sample
from modou.train.objective import StatelessObjective
from modou.train.parallel import World, parallelize


@dataclass(frozen=True)
class KindFigures:
    """Held-out pairs of one kind."""

    pairs: int
    """Number of pairs."""
    accuracy: float
    """Share of pairs ranked right."""
    longer: dict[str, float]
    """The baseline of always preferring the longer answer: its "accuracy"."""


@dataclass(frozen=True)
class RewardFigures:
    """Figures on held-out pairs (reward)."""

    loss: float
    """Mean loss in nats per pair."""
    accuracy: float
    """Share of pairs ranked right."""
    kinds: dict[str, KindFigures]
    """By kind of pair; "all": pairs of no kind."""


@dataclass(frozen=True)
class RewardObjective(StatelessObjective):
    """The objective of `modou reward`. See train.objective for the contract."""

    pairs: Sequence[Pair]
    held_out: Sequence[Pair]
    settings: RewardSettings
    batch: int
    seed: int
    device: torch.device
    micro_batch: int = 0
    measure: str = "loss"

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[PairBatch]:
        """This process's pairs of the step's batch."""
        return step_pairs(self.pairs, step, self.batch, self.seed, rank, world, self.micro_batch, self.device)

    def loss(self, model: GPT, batch: PairBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss summed over pairs; sums of the pairs ranked correctly and of the reward margin."""
        scores_BT, log_B = prefix_rewards(model, batch)
        rewards_2P = last_rewards(scores_BT, batch)
        chosen_P, rejected_P = rewards_2P.split(len(rewards_2P) // 2)
        weight = float(batch.count > 0)  # 0 for a process without pairs of this step
        margin_P = (chosen_P - rejected_P).detach()
        found = {"accuracy": (margin_P > 0).float().sum() * weight, "margin": margin_P.sum() * weight}
        loss = policy.preference_loss(chosen_P, rejected_P, self.settings.centre)
        if self.settings.beginnings:
            loss = loss + self.settings.beginnings * self._prefix_loss(scores_BT, batch)
        if self.settings.sft_weight and log_B is not None:
            loss = loss - self.settings.sft_weight * log_B[batch.row_2P].split(len(chosen_P))[0].sum()
        return loss * weight, found

    def _prefix_loss(self, scores_BT: Tensor, batch: PairBatch) -> Tensor:
        written_BT = batch.target_BT != IGNORE
        answer_BT = (written_BT | F.pad(written_BT[:, :-1], (1, 0))).to(scores_BT.dtype)  # with the empty prefix
        half = len(batch.row_2P) // 2
        (chosen_PT, rejected_PT), (in_chosen_PT, in_rejected_PT) = (
            tensor[batch.row_2P].split(half) for tensor in (scores_BT, answer_BT)
        )
        return policy.prefix_preference_loss(
            chosen_PT, rejected_PT, in_chosen_PT * in_rejected_PT, self.settings.centre
        )

    @torch.inference_mode()
    def evaluate(self, model: GPT) -> RewardFigures:
        """Mean loss and accuracy on the held-out pairs, accuracy by kind too."""
        loss, correct, longer = 0.0, defaultdict[str, list[bool]](list), defaultdict[str, list[bool]](list)
        margins: list[float] = []
        with evaluation_mode(model):
            for first in range(0, len(self.held_out), PAIRS_AT_ONCE):
                pairs = self.held_out[first : first + PAIRS_AT_ONCE]
                chosen_P, rejected_P = rewards(model, pair_batch(pairs, self.device)).split(len(pairs))
                loss += policy.preference_loss(chosen_P, rejected_P).item()
                margins += (chosen_P - rejected_P).tolist()
        for pair, margin in zip(self.held_out, margins, strict=True):
            for kind in {pair.kind.split("/")[0], pair.kind}:  # "damaged/shuffled" counts as "damaged" too
                correct[kind].append(margin > 0)
                longer[kind].append(len(pair.chosen) > len(pair.rejected))
        kinds = {
            kind or "all": KindFigures(
                len(marks), sum(marks) / len(marks), {"accuracy": sum(longer[kind]) / len(marks)}
            )
            for kind, marks in correct.items()
        }
        count = max(1, len(self.held_out))
        accuracy = sum(margin > 0 for margin in margins) / count
        return RewardFigures(loss / count, accuracy, kinds)

    def sample(self, model: GPT) -> Sequence[Sample]:
        """None: a reward model does not generate."""
        return []


def prefix_rewards(model: GPT, batch: PairBatch) -> tuple[Tensor, Tensor | None]:
    """The reward of every prefix of each conversation, (B, T); and, of an implicit reward model, log p of each answer
    in nats, (B,)."""
    if isinstance(model, ImplicitGPT):
        return model.rewards_and_log_probabilities(batch.ids_BT, batch.target_BT != IGNORE)
    assert isinstance(model, ScoredGPT)
    return model.scores(model.hidden(batch.ids_BT)), None


def last_rewards(scores_BT: Tensor, batch: PairBatch) -> Tensor:
    """The rewards at the last tokens, (2P,): of the chosen answers, then of the rejected."""
    return scores_BT.gather(1, batch.last_B[:, None])[batch.row_2P, 0]


def rewards(model: GPT, batch: PairBatch) -> Tensor:
    """The model's rewards of whole answers, (2P,): of the chosen, then of the rejected."""
    return last_rewards(prefix_rewards(model, batch)[0], batch)


class RewardMethod(PairMethod[RewardRun]):
    """See the module's docstring."""

    def read(self, data: Path, columns: str) -> None:
        """See Alignment. UserError also: the reference has another shape or tokenizer."""
        super().read(data, columns)
        reference = self.record.settings.reward.reference
        self.reference = RunFolder(Path(reference)) if reference else self.base
        shape = Record[Any].read(self.reference).model.changed(dropout=0.0)
        if shape != self.shape or load_tokenizer(self.reference).sha256 != self.template.tokenizer.sha256:
            raise UserError("align.other_reference", reference=self.reference.path, base=self.base.path)

    def plan(self, settings: RewardRun) -> Generator[Event, None, tuple[RewardRun, Plan | None]]:
        """See Method. Defaults of an implicit reward model: DPO's learning rates, no centring."""
        if settings.reward.kind == "implicit":
            rates = PreferenceOptimizer().model_dump(include={"matrix_lr", "embedding_lr", "norm_lr"})
            below = {"optimizer": rates, "reward": {"centre": 0.0}}
            settings = RewardRun.parse(merge(below, settings.model_dump(exclude_unset=True)))
        return (yield from super().plan(settings))

    def network(self, settings: RewardRun, world: World) -> GPT:
        """See Alignment. The initial reward is 0 (or, of an implicit model, 0 where the base is its reference)."""
        torch.manual_seed(settings.train.seed)
        own = settings.reward
        model = ImplicitGPT(self.shape, own.beta) if own.kind == "implicit" else ScoredGPT(self.shape)
        model.load_state_dict(self.load_base().state_dict(), strict=False)
        if isinstance(model, ImplicitGPT):
            model.reference.load_state_dict(load_weights(self.reference)[0].state_dict())
        return parallelize(model, world)

    def objective(self, settings: RewardRun, world: World, in_training: bool = True) -> RewardObjective:
        """See Alignment."""
        train, held_out = self.split(settings)
        return RewardObjective(
            pairs=select(self.data.pairs, train),
            held_out=select(self.data.pairs, subsample_indices(held_out) if in_training else held_out),
            settings=settings.reward,
            batch=settings.train.batch,
            seed=settings.train.seed,
            device=world.device,
            micro_batch=settings.train.micro_batch,
        )

    def metrics(self, settings: RewardRun, which: str | int) -> AlignedEvaluation:
        """See Alignment; without samples and forgetting, since the model does not generate."""
        objective = self.objective(settings, CPU, in_training=False)
        model, _, step = load_model(self.run, which)
        return AlignedEvaluation(
            checkpoint={"step": step}, held_out=self.held_out(settings), validation=objective.evaluate(model)
        )


METHOD = RewardMethod
