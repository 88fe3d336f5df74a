"""GRPO: several answers to one question are each other's baseline (Shao et al. 2024).

    A_i = (score_i - mean of the group) / (standard deviation of the group + 1e-4)
    loss = 1/tokens * sum over all tokens of  -min(r A, clip(r, 1 - low, 1 + high) A) + beta * k3(p || reference)

with r = p / p_old of a token. Every token of every answer weighs the same (DAPO, Yu et al. 2025): a mean over answers
would let a long answer's tokens count for less.
"""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from modou.model.gpt import GPT
from modou.model.scoring import score_hidden
from modou.settings.align import GrpoSettings
from modou.train import policy
from modou.train.rl import PolicyObjective, Rows
from modou.train.rollouts import Rollout


@dataclass
class Grpo(PolicyObjective):
    """See the file's top, and train.objective for the contract."""

    settings: GrpoSettings = field(default_factory=GrpoSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.kl_weight = self.price = self.settings.kl_weight

    def advise(self, rollout: Rollout, model: GPT) -> dict[str, Tensor]:
        """Advantages, the same for all tokens of an answer."""
        scores_PG = rollout.scores_N.view(-1, self.rollout.group)
        advantages_N = policy.group_advantages(scores_PG, self.settings.scale).flatten()
        return {"advantages_NT": advantages_N[:, None] * rollout.mask_NT}

    def loss(self, model: GPT, batch: Rows) -> tuple[Tensor, dict[str, Any]]:
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
