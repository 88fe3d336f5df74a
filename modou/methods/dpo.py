"""Direct preference optimisation, DPO (Rafailov et al. 2023).

    loss = - sum over pairs of log sigmoid(beta (log p_chosen/q_chosen - log p_rejected/q_rejected))

p: the policy's probability of a whole answer; q: that of the frozen reference model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from modou.data.conversation import Message, Template
from modou.data.examples import select, subsample_indices
from modou.data.pairs import Pair, PairBatch, pair_batch, step_pairs
from modou.data.shards import IGNORE
from modou.methods.base import SHOWN, answers
from modou.methods.preferences import PAIRS_AT_ONCE, PairMethod
from modou.model.gpt import GPT, evaluation_mode
from modou.model.scoring import score_hidden
from modou.settings.methods import DpoRun, DpoSettings
from modou.settings.sampling import SamplingSettings
from modou.train import policy
from modou.train.events import Sample
from modou.train.objective import StatelessObjective
from modou.train.parallel import World, parallelize


@dataclass(frozen=True)
class DpoFigures:
    """Figures on held-out pairs (dpo)."""

    loss: float
    """Mean loss in nats per pair."""
    accuracy: float
    """Share of pairs ranked right."""
    margin: float
    """Mean difference of the implied rewards β log p/q of the chosen and the rejected answer."""


@dataclass(frozen=True)
class Dpo(StatelessObjective):
    """The objective of `modou dpo`. See train.objective for the contract."""

    pairs: Sequence[Pair]
    held_out: Sequence[Pair]
    prompts: Sequence[Sequence[Message]]
    reference: GPT
    template: Template
    sampling: SamplingSettings
    settings: DpoSettings
    batch: int
    seed: int
    device: torch.device
    micro_batch: int = 0
    measure: str = "loss"

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[PairBatch]:
        """This process's pairs of the step's batch."""
        return step_pairs(self.pairs, step, self.batch, self.seed, rank, world, self.micro_batch, self.device)

    def loss(self, model: GPT, batch: PairBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss summed over pairs; sums of the implied rewards, their margin, and the pairs ranked correctly."""
        log_B = answer_log_probabilities(model, batch)
        with torch.no_grad():
            reference_B = answer_log_probabilities(self.reference, batch)
        half = len(log_B) // 2
        (chosen_P, rejected_P), (old_chosen_P, old_rejected_P) = log_B.split(half), reference_B.split(half)
        loss, chosen_P, rejected_P = policy.direct_preference_loss(
            chosen_P, rejected_P, old_chosen_P, old_rejected_P, self.settings.beta
        )
        weight = float(batch.count > 0)  # 0 for a process without pairs of this step
        found = {
            "accuracy": (chosen_P > rejected_P).float().sum() * weight,
            "margin": (chosen_P - rejected_P).sum() * weight,
            "reward_chosen": chosen_P.sum() * weight,
            "reward_rejected": rejected_P.sum() * weight,
        }
        return loss * weight, found

    @torch.inference_mode()
    def evaluate(self, model: GPT) -> DpoFigures:
        """Mean loss, accuracy and margin on the held-out pairs."""
        sums = {"loss": 0.0, "accuracy": 0.0, "margin": 0.0}
        with evaluation_mode(model):
            for first in range(0, len(self.held_out), PAIRS_AT_ONCE):
                loss, found = self.loss(model, pair_batch(self.held_out[first : first + PAIRS_AT_ONCE], self.device))
                found["loss"] = loss
                for name in sums:
                    sums[name] += found[name].item()
        return DpoFigures(**{name: value / max(1, len(self.held_out)) for name, value in sums.items()})

    def sample(self, model: GPT) -> Sequence[Sample]:
        """An answer to each of `prompts`."""
        return answers(model, self.template, self.prompts, self.sampling)


def answer_log_probabilities(model: GPT, batch: PairBatch) -> Tensor:
    """log p of each whole answer in nats, (2P,): the chosen ones, then the rejected."""
    log_BT, _ = score_hidden(model, model.hidden(batch.ids_BT), batch.target_BT, batch.target_BT != IGNORE)
    return log_BT.sum(1)[batch.row_2P]


class DpoMethod(PairMethod[DpoRun]):
    """See the module's docstring."""

    def network(self, settings: DpoRun, world: World) -> GPT:
        """See Alignment."""
        return parallelize(self.load_base(), world)

    def objective(self, settings: DpoRun, world: World, in_training: bool = True) -> Dpo:
        """See Alignment."""
        train, held_out = self.split(settings)
        return Dpo(
            pairs=select(self.data.pairs, train),
            held_out=select(self.data.pairs, subsample_indices(held_out) if in_training else held_out),
            prompts=select(self.data.questions, held_out[:SHOWN]),
            reference=self.load_base().eval().requires_grad_(False).to(world.device),
            template=self.template,
            sampling=settings.sampling.changed(samples=1),
            settings=settings.dpo,
            batch=settings.train.batch,
            seed=settings.train.seed,
            device=world.device,
            micro_batch=settings.train.micro_batch,
        )


METHOD = DpoMethod
