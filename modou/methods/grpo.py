"""GRPO: several answers to one question are each other's baseline (Shao et al. 2024).

    A_i = (score_i - mean of the group) / (standard deviation of the group + 1e-4)
    loss = 1/tokens * sum over all tokens of  -min(r A, clip(r, 1 - low, 1 + high) A) + beta * k3(p || reference)

with r = p / p_old of a token. Every token of every answer weighs the same (DAPO, Yu et al. 2025): a mean over answers
would let a long answer's tokens count for less.

Where the judge's rules can point at the characters that keep or break them, each rule is a score by itself, compared
within the group as above, and what comes of it goes to the tokens of those characters alone.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from modou.methods.policy import PolicyMethod, PolicyObjective, RolloutBatch
from modou.model.gpt import GPT
from modou.model.scoring import score_hidden
from modou.settings.methods import GrpoRun, GrpoSettings
from modou.tasks.judges import token_credits
from modou.train import policy
from modou.train.parallel import World, parallelize
from modou.train.rollouts import Rollout, TokenCredits, places_of_tokens


@dataclass
class Grpo(PolicyObjective):
    """See the file's top, and train.objective for the contract."""

    settings: GrpoSettings = field(default_factory=GrpoSettings)
    credits: TokenCredits | None = None
    """Says which characters earned what; None: a score is the whole answer's."""

    def advise(self, rollout: Rollout, model: GPT) -> dict[str, Tensor]:
        """Advantages of every token."""
        if self.credits is not None:
            return {"advantages_NT": self._by_place(rollout, self.credits)}
        scores_PG = rollout.scores_N.view(-1, self.rollout.group)
        advantages_N = policy.group_advantages(scores_PG, self.settings.scale).flatten()
        return {"advantages_NT": advantages_N[:, None] * rollout.mask_NT}

    def _by_place(self, rollout: Rollout, credits: TokenCredits) -> Tensor:
        """Each rule compared within each group by itself; what comes of it to the tokens that it points at."""
        advantages_NT = torch.zeros_like(rollout.mask_NT)
        places = [places_of_tokens(self.template, answer) for answer in rollout.answers]
        earned = [{credit.name: credit for credit in credits(answer)} for answer in rollout.answers]
        for first in range(0, len(earned), self.rollout.group):
            rows = range(first, first + self.rollout.group)
            for name in dict.fromkeys(name for row in rows for name in earned[row]):
                found = [earned[row].get(name) for row in rows]
                points_1G = torch.tensor([[credit.points if credit else 0.0 for credit in found]])
                advantages_G = policy.group_advantages(points_1G, self.settings.scale)[0]
                for row, credit, advantage in zip(rows, found, advantages_G, strict=True):
                    for column, place in enumerate(places[row], len(rollout.answers[row].question.ids) - 1):
                        if credit and credit.start <= place < credit.end:
                            advantages_NT[row, column] += advantage
        return advantages_NT

    def loss(self, model: GPT, batch: RolloutBatch) -> tuple[Tensor, dict[str, Any]]:
        """Sum over the tokens of the micro-batch."""
        mask_BT, own = batch["mask_NT"], self.settings
        x_BTD = model.hidden(batch["ids_NT"])
        log_BT, logits_NV = score_hidden(model, x_BTD, batch["target_NT"], mask_BT, self.sampling.temperature)
        loss, clipped = policy.clipped_policy_loss(
            log_BT, batch["old_NT"], batch["advantages_NT"], mask_BT, own.clip_low, own.clip_high
        )
        distance_BT = policy.kl_k3(log_BT, batch["reference_NT"])
        if own.kl_weight:
            loss = loss + own.kl_weight * (distance_BT * mask_BT).sum()
        return loss, self.common_metrics(logits_NV, distance_BT, clipped, mask_BT)


class GrpoMethod(PolicyMethod[GrpoRun]):
    """What is particular to GRPO."""

    def make(self, settings: GrpoRun, world: World) -> tuple[GPT, Grpo]:
        """The base's weights, and the objective."""
        return parallelize(self.load(), world), self.objective(settings, world)

    def objective(self, settings: GrpoRun, world: World) -> Grpo:
        """See PolicyMethod."""
        credits = token_credits(self.judge) if settings.grpo.token_credit else None
        return Grpo(**self.common(settings, world), settings=settings.grpo, credits=credits)


METHOD = GrpoMethod
