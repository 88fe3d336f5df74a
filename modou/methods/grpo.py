"""Group-relative policy optimisation, GRPO: the mean score of a group of answers to one question is the baseline
(Shao et al. 2024).

    A_i = (score_i - mean of the group) / (standard deviation of the group + 1e-4)
    loss = 1/tokens * sum over all tokens of  -min(r A, clip(r, 1 - low, 1 + high) A) + beta * k3(p || reference)

r = p / p_old of a token. Every token of every answer has the same weight (DAPO, Yu et al. 2025); with a mean per
answer, tokens of long answers would count less.

Token-level credit: if the judge's rules can say which characters satisfy or violate them, each rule is scored by
itself, its advantage is computed within the group as above and added to the tokens of these characters alone.
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
from modou.train.rollouts import Rollout, TokenCredits, token_offsets


@dataclass
class Grpo(PolicyObjective):
    """The objective of `modou grpo`. See train.objective for the contract."""

    settings: GrpoSettings = field(default_factory=GrpoSettings)
    credits: TokenCredits | None = None
    """Rewards of parts of an answer; None: the score belongs to the whole answer."""

    def compute_advantages(self, rollout: Rollout, model: GPT) -> dict[str, Tensor]:
        """See PolicyObjective."""
        if self.credits is not None:
            return {"advantages_NT": self._token_advantages(rollout, self.credits)}
        scores_PG = rollout.scores_N.view(-1, self.rollout.group)
        advantages_N = policy.group_advantages(scores_PG, self.settings.scale).flatten()
        return {"advantages_NT": advantages_N[:, None] * rollout.mask_NT}

    def _token_advantages(self, rollout: Rollout, credits: TokenCredits) -> Tensor:
        """The sum over the rules of each rule's group advantage, at the tokens it names, (N, T)."""
        advantages_NT = torch.zeros_like(rollout.mask_NT)
        offsets = [token_offsets(self.template, answer) for answer in rollout.answers]
        earned = [{credit.name: credit for credit in credits(answer)} for answer in rollout.answers]
        for first in range(0, len(earned), self.rollout.group):
            rows = range(first, first + self.rollout.group)
            for name in dict.fromkeys(name for row in rows for name in earned[row]):
                found = [earned[row].get(name) for row in rows]
                points_1G = torch.tensor([[credit.points if credit else 0.0 for credit in found]])
                advantages_G = policy.group_advantages(points_1G, self.settings.scale)[0]
                for row, credit, advantage in zip(rows, found, advantages_G, strict=True):
                    for column, offset in enumerate(offsets[row], len(rollout.answers[row].question.ids) - 1):
                        if credit and credit.start <= offset < credit.end:
                            advantages_NT[row, column] += advantage
        return advantages_NT

    def loss(self, model: GPT, batch: RolloutBatch) -> tuple[Tensor, dict[str, Any]]:
        """See PolicyObjective."""
        mask_BT, own = batch["mask_NT"], self.settings
        x_BTD = model.hidden(batch["ids_NT"])
        log_BT, logits_NV = score_hidden(model, x_BTD, batch["target_NT"], mask_BT, self.sampling.temperature)
        loss, clipped = policy.clipped_policy_loss(
            log_BT, batch["old_NT"], batch["advantages_NT"], mask_BT, own.clip_low, own.clip_high
        )
        kl_BT = policy.kl_k3(log_BT, batch["reference_NT"])
        if own.kl_weight:
            loss = loss + own.kl_weight * (kl_BT * mask_BT).sum()
        return loss, self.common_metrics(logits_NV, kl_BT, clipped, mask_BT)


class GrpoMethod(PolicyMethod[GrpoRun]):
    """See the module's docstring."""

    def network(self, settings: GrpoRun, world: World) -> GPT:
        """See Alignment."""
        return parallelize(self.load_base(), world)

    def objective(self, settings: GrpoRun, world: World, in_training: bool = True) -> Grpo:
        """See Alignment. There are few held-out questions: all are always used."""
        credits = token_credits(self.judge) if settings.grpo.token_credit else None
        return Grpo(**self.common(settings, world), settings=settings.grpo, credits=credits)


METHOD = GrpoMethod
