"""DPO: the policy itself is the reward model (Rafailov et al. 2023).

loss = - sum over pairs of log sigmoid(beta (log p_chosen/q_chosen - log p_rejected/q_rejected))

p is the policy's probability of a whole answer, q the frozen reference's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from modou.data.conversation import Message, Template
from modou.data.examples import select, subsample_indices
from modou.data.pairs import Pair, PairBatch, pair_batch, step_pairs
from modou.data.shards import IGNORE
from modou.methods.base import CPU, SHOWN, answers, drift
from modou.methods.preferences import PAIRS_AT_ONCE, PairMethod
from modou.model.gpt import GPT
from modou.model.scoring import score_hidden
from modou.runs.weights import load_model
from modou.settings.methods import DpoRun, DpoSettings
from modou.settings.sampling import SamplingSettings
from modou.train import policy
from modou.train.objective import StatelessObjective
from modou.train.parallel import World, parallelize


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
    measure: str = "validation.loss"

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[PairBatch]:
        """This process's pairs of the step's batch."""
        return step_pairs(self.pairs, step, self.batch, self.seed, rank, world, self.micro_batch, self.device)

    def loss(self, model: GPT, batch: PairBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum over pairs; the implied rewards, and how often the chosen one's is higher."""
        log_B = answer_log_probabilities(model, batch)
        with torch.no_grad():
            reference_B = answer_log_probabilities(self.reference, batch)
        half = len(log_B) // 2
        (chosen_P, rejected_P), (old_chosen_P, old_rejected_P) = log_B.split(half), reference_B.split(half)
        loss, chosen_P, rejected_P = policy.direct_preference_loss(
            chosen_P, rejected_P, old_chosen_P, old_rejected_P, self.settings.beta
        )
        kept = float(batch.count > 0)
        found = {
            "accuracy": (chosen_P > rejected_P).float().sum() * kept,
            "margin": (chosen_P - rejected_P).sum() * kept,
            "reward_chosen": chosen_P.sum() * kept,
            "reward_rejected": rejected_P.sum() * kept,
        }
        return loss * kept, found

    @torch.inference_mode()
    def evaluate(self, model: GPT) -> dict[str, Any]:
        """Loss and accuracy on held-out pairs."""
        was_training = model.training
        model.eval()
        sums = {"loss": 0.0, "accuracy": 0.0, "margin": 0.0}
        for first in range(0, len(self.held_out), PAIRS_AT_ONCE):
            loss, found = self.loss(model, pair_batch(self.held_out[first : first + PAIRS_AT_ONCE], self.device))
            sums["loss"] += loss.item()
            for name in ("accuracy", "margin"):
                sums[name] += found[name].item()
        model.train(was_training)
        return {"validation": {name: value / max(1, len(self.held_out)) for name, value in sums.items()}}

    def sample(self, model: GPT) -> Sequence[dict[str, Any]]:
        """An answer to each question."""
        return answers(model, self.template, self.prompts, self.sampling)


def answer_log_probabilities(model: GPT, batch: PairBatch) -> Tensor:
    """log p of the chosen answers, then of the rejected, each the sum over its tokens, (2P,)."""
    log_BT, _ = score_hidden(model, model.hidden(batch.ids_BT), batch.target_BT, batch.target_BT != IGNORE)
    return log_BT.sum(1)[batch.row_2P]


class DpoMethod(PairMethod[DpoRun]):
    """What is particular to DPO."""

    def steps(self, settings: DpoRun) -> int:
        """Updates that read every pair so many times."""
        own, train = settings.dpo, settings.train
        return self.steps_for(own.epochs, own.held_out, train.batch, train.seed)

    def make(self, settings: DpoRun, world: World) -> tuple[GPT, Dpo]:
        """The base's weights twice, to train and as the reference, and the objective."""
        seen, held_out = self.divided(settings.dpo.held_out, settings.train.seed)
        objective = Dpo(
            pairs=select(self.data.pairs, seen),
            held_out=select(self.data.pairs, subsample_indices(held_out)),
            prompts=select(self.data.questions, held_out[:SHOWN]),
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

    def measure(self, settings: DpoRun, which: str | int) -> dict[str, Any]:
        """Loss and accuracy on held-out pairs, answers, and what became of the text it was pretrained on."""
        _, objective = self.make(settings, CPU)
        _, held_out = self.divided(settings.dpo.held_out, settings.train.seed)
        objective = replace(objective, held_out=select(self.data.pairs, held_out))
        before, after = load_model(self.base)[0], load_model(self.run, which)[0]
        return {
            **objective.evaluate(after),
            "samples": answers(after, self.template, objective.prompts, objective.sampling),
            **drift(self.base, before, after, self.template.tokenizer),
        }


METHOD = DpoMethod
