"""The reward model: a number for a whole conversation, learned from which of two answers people preferred.

loss = - sum over pairs of log sigmoid(r_chosen - r_rejected)   (Bradley & Terry 1952), and a little for staying near 0
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from modou.data.pairs import Pair, PairBatch, pair_batch, step_pairs
from modou.data.shards import IGNORE
from modou.model.gpt import GPT
from modou.model.scored import ImplicitGPT, ScoredGPT
from modou.settings.align import RewardSettings
from modou.train import policy
from modou.train.objective import StatelessObjective

PAIRS_AT_ONCE = 32


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
