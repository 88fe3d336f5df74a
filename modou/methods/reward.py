"""The reward model: a number for a whole conversation, learned from which of two answers people preferred.

loss = - sum over pairs of log sigmoid(r_chosen - r_rejected)   (Bradley & Terry 1952), and a little for staying near 0
"""

from collections import defaultdict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from modou.data.examples import quick, taken
from modou.data.pairs import Pair, PairBatch, pair_batch, step_pairs
from modou.data.shards import IGNORE
from modou.errors import UserError
from modou.methods.base import CPU
from modou.methods.preferences import PAIRS_AT_ONCE, PairMethod
from modou.model.gpt import GPT
from modou.model.scored import ImplicitGPT, ScoredGPT
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model, load_tokenizer, load_weights
from modou.settings.base import merge
from modou.settings.methods import PreferenceOptimizer, RewardRun, RewardSettings
from modou.train import policy
from modou.train.events import Event
from modou.train.objective import StatelessObjective
from modou.train.parallel import World, parallelize


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
    measure: str = "validation.loss"

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[PairBatch]:
        """This process's pairs of the step's batch."""
        return step_pairs(self.pairs, step, self.batch, self.seed, rank, world, self.micro_batch, self.device)

    def loss(self, model: GPT, batch: PairBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum over pairs; how often the chosen one has the higher reward, and by how much."""
        scores_BT, log_B = weighed(model, batch)
        rewards_2P = at_the_end(scores_BT, batch)
        chosen_P, rejected_P = rewards_2P.split(len(rewards_2P) // 2)
        kept = float(batch.count > 0)
        margin_P = (chosen_P - rejected_P).detach()
        found = {"accuracy": (margin_P > 0).float().sum() * kept, "margin": margin_P.sum() * kept}
        loss = policy.preference_loss(chosen_P, rejected_P, self.settings.centre)
        if self.settings.beginnings:
            loss = loss + self.settings.beginnings * self._beginnings(scores_BT, batch)
        if self.settings.sft_weight and log_B is not None:
            loss = loss - self.settings.sft_weight * log_B[batch.row_2P].split(len(chosen_P))[0].sum()
        return loss * kept, found

    def _beginnings(self, scores_BT: Tensor, batch: PairBatch) -> Tensor:
        written_BT = batch.target_BT != IGNORE
        answer_BT = (written_BT | F.pad(written_BT[:, :-1], (1, 0))).to(scores_BT.dtype)  # from nothing written on
        half = len(batch.row_2P) // 2
        (chosen_PT, rejected_PT), (here_PT, there_PT) = (
            tensor[batch.row_2P].split(half) for tensor in (scores_BT, answer_BT)
        )
        return policy.prefix_preference_loss(chosen_PT, rejected_PT, here_PT * there_PT, self.settings.centre)

    @torch.inference_mode()
    def evaluate(self, model: GPT) -> dict[str, Any]:
        """Loss and accuracy on held-out pairs, in all and by kind; beside it, what always preferring the longer answer
        would get."""
        was_training = model.training
        model.eval()
        loss, sure, right, longer = 0.0, 0, defaultdict[str, list[bool]](list), defaultdict[str, list[bool]](list)
        for first in range(0, len(self.held_out), PAIRS_AT_ONCE):
            pairs = self.held_out[first : first + PAIRS_AT_ONCE]
            chosen_P, rejected_P = rewards(model, pair_batch(pairs, self.device)).split(len(pairs))
            loss += policy.preference_loss(chosen_P, rejected_P).item()
            for pair, margin in zip(pairs, (chosen_P - rejected_P).tolist(), strict=True):
                family = pair.kind.split("/")[0]  # "damaged/shuffled" counts as damaged, too
                for kind in {family, pair.kind}:
                    right[kind].append(margin > 0)
                    longer[kind].append(len(pair.chosen) > len(pair.rejected))
                sure += margin > 0
        model.train(was_training)
        count = max(1, len(self.held_out))
        kinds = {
            kind or "all": {
                "pairs": len(marks),
                "accuracy": sum(marks) / len(marks),
                "longer": {"accuracy": sum(longer[kind]) / len(marks)},
            }
            for kind, marks in right.items()
        }
        return {"validation": {"loss": loss / count, "accuracy": sure / count, "kinds": kinds}}

    def sample(self, model: GPT) -> Sequence[dict[str, Any]]:
        """Nothing: a reward model writes nothing."""
        return []


def weighed(model: GPT, batch: PairBatch) -> tuple[Tensor, Tensor | None]:
    """The reward of every prefix of each conversation, (B, T); and log p of each answer under an implicit reward
    model, (B,)."""
    if isinstance(model, ImplicitGPT):
        return model.weigh(batch.ids_BT, batch.target_BT != IGNORE)
    assert isinstance(model, ScoredGPT)
    return model.scores(model.hidden(batch.ids_BT)), None


def at_the_end(scores_BT: Tensor, batch: PairBatch) -> Tensor:
    """The rewards of the chosen answers, then those of the rejected, read at their last tokens, (2P,)."""
    return scores_BT.gather(1, batch.last_B[:, None])[batch.row_2P, 0]


def rewards(model: GPT, batch: PairBatch) -> Tensor:
    """The same from the model."""
    return at_the_end(weighed(model, batch)[0], batch)


class RewardMethod(PairMethod[RewardRun]):
    """What is particular to the reward model."""

    def read(self, data: Path, columns: str) -> None:
        """See Alignment. UserError also: the reference is no run of this shape."""
        super().read(data, columns)
        reference = self.record.settings.reward.reference
        self.reference = RunFolder(Path(reference)) if reference else self.base
        shape = Record[Any].read(self.reference).model.changed(dropout=0.0)
        if shape != self.shape or load_tokenizer(self.reference).sha256 != self.template.tokenizer.sha256:
            raise UserError("align.other_reference", reference=self.reference.path, base=self.base.path)

    def plan(self, settings: RewardRun) -> Generator[Event, None, tuple[RewardRun, dict[str, Any]]]:
        """An implicit reward is trained as in DPO, at its rates; a token is rewarded for itself alone."""
        if settings.reward.kind == "implicit":
            rates = PreferenceOptimizer().model_dump(include={"matrix_lr", "embedding_lr", "norm_lr"})
            below = {"optimizer": rates, "reward": {"centre": 0.0}}
            settings = RewardRun.parse(merge(below, settings.model_dump(exclude_unset=True)))
        return (yield from super().plan(settings))

    def steps(self, settings: RewardRun) -> int:
        """Updates that read every pair so many times."""
        own, train = settings.reward, settings.train
        return self.steps_for(own.epochs, own.held_out, train.batch, train.seed)

    def make(self, settings: RewardRun, world: World) -> tuple[GPT, RewardObjective]:
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

    def measure(self, settings: RewardRun, which: str | int) -> dict[str, Any]:
        """How often the held-out pair's better answer gets the higher reward, by kind."""
        _, objective = self.make(settings, CPU)
        _, held_out = self.divided(settings.reward.held_out, settings.train.seed)
        return replace(objective, held_out=taken(self.data.pairs, held_out)).evaluate(load_model(self.run, which)[0])


METHOD = RewardMethod
