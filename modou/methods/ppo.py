"""PPO: a value at every token says what was to be expected, the advantage is what came on top (Schulman et al. 2017;
on language models Ouyang et al. 2022).

    r_t = -beta * (log p - log reference)  and, at the last token, the answer's score; or, where the judge is a reward
          model, at every token by how much it raised the model's opinion of what stands there so far
    A by GAE from r and V, whitened over all tokens of the round;  R = A + V
    loss = 1/tokens * sum of  -min(ratio A, clip(ratio) A)  +  c/2 * max((V - R)^2, (clipped V - R)^2)

Paid as it goes, an answer earns its score less the same sum for all answers to the question, so what is best stays best
(potential-based shaping: Ng, Harada & Russell 1999), and the value need only learn what the judge does not foresee.

The value is one number read off the policy's own hidden state (model.scored). beta is steered: above the wanted
distance it grows, below it shrinks (Ziegler et al. 2019).
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
from modou.train.rollouts import Answer, Rollout, StepJudge

MOST_STEERING = 0.2
"""The price changes with the relative error of the distance, which counts up to this much,"""
STEERING = 0.1
"""and by this share of it."""


@dataclass
class Ppo(PolicyObjective):
    """See the file's top, and train.objective for the contract."""

    settings: PpoSettings = field(default_factory=PpoSettings)
    step_judge: StepJudge | None = None
    """The judge, where it says what each token added; None: all is earned at the end."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.kl_weight = self.price = self.settings.kl_weight

    def judged(self, answers: Sequence[Answer]) -> tuple[Tensor, Tensor | None]:
        """Scores, and what of them each token earned, if that is known."""
        return super().judged(answers) if self.step_judge is None else self.step_judge(answers)

    def advise(self, rollout: Rollout, model: GPT) -> dict[str, Tensor]:
        """Old values, advantages and returns of every token."""
        assert isinstance(model, ScoredGPT)
        mask_NT = rollout.mask_NT
        kl_NT = policy.kl_k1(rollout.old_NT, rollout.reference_NT)
        values_NT = token_values(model, rollout.ids_NT) * mask_NT
        if rollout.earned_NT is None:
            rewards_NT = policy.shaped_rewards(rollout.scores_N, kl_NT, mask_NT, self.kl_weight)
        else:
            missing_N = -self.unfinished(rollout.ended_N)
            rewards_NT = rollout.earned_NT + policy.shaped_rewards(missing_N, kl_NT, mask_NT, self.kl_weight)
        advantages_NT, returns_NT = policy.generalised_advantages(
            rewards_NT, values_NT, mask_NT, self.settings.gamma, self.settings.gae_lambda
        )
        self._steer(kl_NT.sum(1).mean().item())
        return {
            "values_NT": values_NT,
            "advantages_NT": policy.whiten(advantages_NT, mask_NT),
            "returns_NT": returns_NT,
        }

    def _steer(self, kl: float) -> None:
        """The price follows the distance of a whole answer towards the wanted one, slowly."""
        if self.settings.target_kl:
            error = min(max(kl / self.settings.target_kl - 1, -MOST_STEERING), MOST_STEERING)
            self.kl_weight *= 1 + STEERING * error

    def loss(self, model: GPT, batch: RolloutBatch) -> tuple[Tensor, dict[str, Any]]:
        """Sum over the tokens of the micro-batch."""
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
        distance_BT = policy.kl_k3(log_BT, batch["reference_NT"])
        metrics = self.common_metrics(logits_NV, distance_BT, clipped, mask_BT)
        return loss + own.value_weight * value_loss, metrics | {"value_loss": value_loss.detach()}


@torch.no_grad()
def token_values(model: ScoredGPT, ids_NT: Tensor) -> Tensor:
    """The value at every position, (N, T) on the CPU, a few rows at a time."""
    device = model.embedding.weight.device
    rows = max(1, POSITIONS_AT_ONCE // ids_NT.shape[1])
    return torch.cat([model.scores(model.hidden(ids_BT.to(device))).cpu() for ids_BT in ids_NT.split(rows)])


class PpoMethod(PolicyMethod[PpoRun]):
    """What is particular to PPO."""

    def make(self, settings: PpoRun, world: World) -> tuple[GPT, Ppo]:
        """The base's weights with a value that is 0 everywhere, and the objective."""
        torch.manual_seed(settings.train.seed)
        model = ScoredGPT(self.shape)
        model.load_state_dict(self.load().state_dict(), strict=False)
        return parallelize(model, world), self.objective(settings, world)

    def objective(self, settings: PpoRun, world: World) -> Ppo:
        """See PolicyMethod."""
        common = self.common(settings, world)
        judge = common["judge"]
        by_step = judge.by_step if settings.ppo.dense_reward and isinstance(judge, ModelJudge) else None
        return Ppo(**common, settings=settings.ppo, step_judge=by_step)


METHOD = PpoMethod
