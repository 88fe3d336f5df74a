"""Proximal policy optimisation, PPO, with a value function as the baseline (Schulman et al. 2017; for language models
Ouyang et al. 2022).

    r_t = -beta * (log p - log reference), plus the answer's score at its last token; or, with dense rewards, plus at
          every token the change of the reward model's score of the prefix
    A by GAE from r and V, whitened over all tokens of the round;  R = A + V
    loss = 1/tokens * sum of  -min(ratio A, clip(ratio) A)  +  c/2 * max((V - R)^2, (clipped V - R)^2)

Dense rewards of an answer sum to its score minus a constant of the question, so the optimal policy is the same
(potential-based shaping: Ng, Harada & Russell 1999), but the value function has less to learn.

The value is a linear function of the policy's hidden state (model.scored). With a target KL, beta is adapted: it grows
above the target and shrinks below it (Ziegler et al. 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from modou.methods.policy import PolicyMethod, PolicyObjective, RolloutBatch
from modou.model.gpt import GPT
from modou.model.scored import ScoredGPT
from modou.model.scoring import POSITIONS_AT_ONCE, score_hidden
from modou.settings.methods import PpoRun, PpoSettings
from modou.tasks.judges import ModelJudge
from modou.train import policy
from modou.train.parallel import World, parallelize
from modou.train.rollouts import Answer, DenseJudge, Rollout

MAX_KL_ERROR = 0.2
"""The relative error of the KL is clipped to +- this,"""
KL_GAIN = 0.1
"""and beta changes each round by this fraction of it."""


@dataclass
class Ppo(PolicyObjective):
    """The objective of `modou ppo`. See train.objective for the contract."""

    settings: PpoSettings = field(default_factory=PpoSettings)
    dense_judge: DenseJudge | None = None
    """The judge, if it gives every token a reward; None: the score is the last token's reward."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.kl_weight = self.initial_kl_weight = self.settings.kl_weight

    def scores(self, answers: Sequence[Answer]) -> tuple[Tensor, Tensor | None]:
        """See PolicyObjective."""
        return super().scores(answers) if self.dense_judge is None else self.dense_judge(answers)

    def compute_advantages(self, rollout: Rollout, model: GPT) -> dict[str, Tensor]:
        """See PolicyObjective: the old values, whitened advantages and returns of every token."""
        assert isinstance(model, ScoredGPT)
        mask_NT = rollout.mask_NT
        kl_NT = policy.kl_k1(rollout.old_NT, rollout.reference_NT)
        values_NT = token_values(model, rollout.ids_NT) * mask_NT
        if rollout.token_rewards_NT is None:
            rewards_NT = policy.shaped_rewards(rollout.scores_N, kl_NT, mask_NT, self.kl_weight)
        else:
            final_N = -self.unfinished_penalty(rollout.ended_N)
            rewards_NT = rollout.token_rewards_NT + policy.shaped_rewards(final_N, kl_NT, mask_NT, self.kl_weight)
        advantages_NT, returns_NT = policy.generalised_advantages(
            rewards_NT, values_NT, mask_NT, self.settings.gamma, self.settings.gae_lambda
        )
        self._adapt_kl_weight(kl_NT.sum(1).mean().item())
        return {
            "values_NT": values_NT,
            "advantages_NT": policy.whiten(advantages_NT, mask_NT),
            "returns_NT": returns_NT,
        }

    def _adapt_kl_weight(self, kl: float) -> None:
        """kl: mean per answer, in nats."""
        if self.settings.target_kl:
            error = min(max(kl / self.settings.target_kl - 1, -MAX_KL_ERROR), MAX_KL_ERROR)
            self.kl_weight *= 1 + KL_GAIN * error

    def loss(self, model: GPT, batch: RolloutBatch) -> tuple[Tensor, dict[str, Any]]:
        """See PolicyObjective."""
        assert isinstance(model, ScoredGPT)
        mask_BT, own = batch["mask_NT"], self.settings
        x_BTD = model.hidden(batch["ids_NT"])
        values_BT = model.scores(x_BTD)
        log_BT, logits_NV = score_hidden(model, x_BTD, batch["target_NT"], mask_BT, self.sampling.temperature)
        loss, clipped = policy.clipped_policy_loss(
            log_BT, batch["old_NT"], batch["advantages_NT"], mask_BT, own.clip_low, own.clip_high
        )
        value_loss = policy.clipped_value_loss(
            values_BT, batch["values_NT"], batch["returns_NT"], mask_BT, own.value_clip
        )
        kl_BT = policy.kl_k3(log_BT, batch["reference_NT"])
        metrics = self.common_metrics(logits_NV, kl_BT, clipped, mask_BT)
        return loss + own.value_weight * value_loss, metrics | {"value_loss": value_loss.detach()}


@torch.no_grad()
def token_values(model: ScoredGPT, ids_NT: Tensor) -> Tensor:
    """The value at every position, (N, T) on the CPU, computed a few rows at a time."""
    device = model.embedding.weight.device
    rows = max(1, POSITIONS_AT_ONCE // ids_NT.shape[1])
    return torch.cat([model.scores(model.hidden(ids_BT.to(device))).cpu() for ids_BT in ids_NT.split(rows)])


class PpoMethod(PolicyMethod[PpoRun]):
    """See the module's docstring."""

    def network(self, settings: PpoRun, world: World) -> GPT:
        """See Alignment. The value function is 0 at first."""
        torch.manual_seed(settings.train.seed)
        model = ScoredGPT(self.shape)
        model.load_state_dict(self.load_base().state_dict(), strict=False)
        return parallelize(model, world)

    def objective(self, settings: PpoRun, world: World, in_training: bool = True) -> Ppo:
        """See Alignment. There are few held-out questions: all are always used."""
        common = self.common(settings, world)
        judge = common["judge"]
        dense = judge.token_rewards if settings.ppo.dense_reward and isinstance(judge, ModelJudge) else None
        return Ppo(**common, settings=settings.ppo, dense_judge=dense)


METHOD = PpoMethod
