"""Our estimators and losses against frozen outputs of TRL and torchtune on the same tensors (tests/oracles/refresh.py).

Where the two differ from each other, or from us, the difference is written down here.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou.model.loss import token_log_probabilities
from modou.train import policy

FROZEN: dict[str, Any] = json.loads((Path(__file__).parent.parent / "oracles" / "frozen.json").read_text("utf-8"))
GIVEN = {
    name: torch.tensor(value, dtype=torch.long if name == "ids" else torch.float64)
    for name, value in FROZEN["inputs"].items()
}
C = FROZEN["constants"]
MASK = GIVEN["mask"]
EVERYWHERE = torch.ones_like(MASK)


def same(found: Tensor, whose: str, name: str, tolerance: float = 1e-6) -> None:
    expected = torch.tensor(FROZEN[whose][name], dtype=torch.float64)
    torch.testing.assert_close(found.double(), expected, atol=tolerance, rtol=tolerance)


def test_log_probabilities_and_entropy() -> None:
    same(token_log_probabilities(GIVEN["logits"], GIVEN["ids"]), "trl", "token_log_probabilities")
    same(policy.token_entropies(GIVEN["logits"]), "trl", "entropy")


def test_means_and_whitening() -> None:
    same(policy.masked_mean(GIVEN["values"], MASK), "torchtune", "masked_mean")
    same(policy.whiten(GIVEN["values"], MASK), "torchtune", "whitened")


def test_the_score_at_the_last_token() -> None:
    kl_BT = policy.kl_k1(GIVEN["log"] * MASK, GIVEN["reference"] * MASK)
    same(policy.shaped_rewards(GIVEN["scores"], kl_BT, MASK, C["kl"]), "torchtune", "shaped_rewards")


def test_returns() -> None:
    """torchtune whitens its advantages, so its returns tell what they were."""
    _, returns_BT = policy.generalised_advantages(GIVEN["rewards"], GIVEN["values"], EVERYWHERE, C["gamma"], C["decay"])
    same(returns_BT, "torchtune", "returns")


def test_the_ppo_losses() -> None:
    """torchtune takes means over all positions; ours are sums."""
    loss, clipped = policy.clipped_policy_loss(
        GIVEN["log"], GIVEN["old"], GIVEN["advantages"], EVERYWHERE, C["low"], C["low"]
    )
    same(loss, "torchtune", "policy_loss")
    same(clipped, "torchtune", "clipped", 1e-4)  # torchtune counts in float32
    value_loss = policy.clipped_value_loss(GIVEN["values"], GIVEN["old_values"], GIVEN["returns"], EVERYWHERE, C["low"])
    same(value_loss, "torchtune", "value_loss")


def test_group_advantages_and_the_grpo_loss() -> None:
    same(policy.group_advantages(GIVEN["scores"].view(2, 3)), "trl", "group_advantages")
    advantages_BT = GIVEN["scores"][:, None] * MASK
    loss, _ = policy.clipped_policy_loss(GIVEN["log"], GIVEN["old"], advantages_BT, MASK, C["low"], C["high"])
    distance_BT = policy.kl_k3(GIVEN["log"], GIVEN["reference"])
    same(loss + C["kl"] * (distance_BT * MASK).sum(), "trl", "grpo_loss")


PAIRS = tuple(GIVEN[name] for name in ("chosen", "rejected", "reference_chosen", "reference_rejected"))


def test_direct_preferences() -> None:
    """torchtune's loss here takes a share of the labels for wrong: ours, and ours with the answers exchanged."""
    loss, chosen_B, rejected_B = policy.direct_preference_loss(*PAIRS, C["beta"])
    same(loss, "trl", "dpo_loss")
    chosen, rejected, reference_chosen, reference_rejected = PAIRS
    exchanged, _, _ = policy.direct_preference_loss(rejected, chosen, reference_rejected, reference_chosen, C["beta"])
    same((1 - C["smoothing"]) * loss + C["smoothing"] * exchanged, "torchtune", "dpo_loss")
    same(chosen_B, "torchtune", "dpo_chosen")
    same(rejected_B, "torchtune", "dpo_rejected")


def test_the_reward_model_s_loss() -> None:
    same(policy.preference_loss(GIVEN["chosen"], GIVEN["rejected"], C["centre"]), "trl", "preference_loss")


def test_the_versions_are_written_down() -> None:
    assert {"torch", "trl", "torchtune"} == set(FROZEN["versions"])
