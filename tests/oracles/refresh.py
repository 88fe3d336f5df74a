"""Writes tests/oracles/frozen.json: what TRL and torchtune make of the same small tensors.

    pip install trl torchtune "torchao<0.11"        in an environment of its own
    python tests/oracles/refresh.py

The daily tests read the file and need neither. Tensors are float64 and drawn from a fixed seed.
"""

import json
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

FILE = Path(__file__).with_name("frozen.json")
BETA, SMOOTHING, LOW, HIGH, KL, GAMMA, DECAY, CENTRE = 0.3, 0.1, 0.2, 0.28, 0.04, 0.99, 0.9, 0.01


def inputs() -> dict[str, Tensor]:
    """Everything that any of the formulas takes."""
    torch.manual_seed(0)
    batch, length, vocabulary = 6, 7, 11
    mask_BT = torch.zeros(batch, length, dtype=torch.float64)
    for row, (first, last) in enumerate([(1, 4), (2, 7), (0, 7), (3, 5), (1, 7), (5, 6)]):
        mask_BT[row, first:last] = 1
    return {
        "logits": torch.randn(batch, length, vocabulary, dtype=torch.float64),
        "ids": torch.randint(vocabulary, (batch, length)),
        "mask": mask_BT,
        "log": -torch.rand(batch, length, dtype=torch.float64) * 3,
        "old": -torch.rand(batch, length, dtype=torch.float64) * 3,
        "reference": -torch.rand(batch, length, dtype=torch.float64) * 3,
        "values": torch.randn(batch, length, dtype=torch.float64),
        "old_values": torch.randn(batch, length, dtype=torch.float64),
        "rewards": torch.randn(batch, length, dtype=torch.float64),
        "returns": torch.randn(batch, length, dtype=torch.float64),
        "scores": torch.randn(batch, dtype=torch.float64),
        "advantages": torch.randn(batch, length, dtype=torch.float64),
        "chosen": torch.randn(batch, dtype=torch.float64) * 3 - 9,
        "rejected": torch.randn(batch, dtype=torch.float64) * 3 - 9,
        "reference_chosen": torch.randn(batch, dtype=torch.float64) * 3 - 9,
        "reference_rejected": torch.randn(batch, dtype=torch.float64) * 3 - 9,
    }


def from_trl(given: dict[str, Tensor]) -> dict[str, Any]:
    """TRL's own functions; its trainers' losses through stand-ins for the trainer."""
    from trl import DPOTrainer, GRPOTrainer, RewardTrainer
    from trl.trainer.utils import entropy_from_logits, nanstd, selective_log_softmax

    groups = given["scores"].view(2, 3)
    found = {
        "token_log_probabilities": selective_log_softmax(given["logits"], given["ids"]),
        "entropy": entropy_from_logits(given["logits"]),
        "group_advantages": (groups - groups.mean(1, keepdim=True)) / (nanstd(groups, dim=1, keepdim=True) + 1e-4),
        "grpo_loss": grpo_loss(GRPOTrainer, given),
        "dpo_loss": dpo_loss(DPOTrainer, given),
        "preference_loss": preference_loss(RewardTrainer, given),
    }
    return {name: value.tolist() for name, value in found.items()}


def trainer(**own: Any) -> Any:
    """What a loss asks of its trainer."""
    accelerator = SimpleNamespace(
        device=torch.device("cpu"),
        num_processes=1,
        sync_gradients=True,
        gather=lambda tensor: tensor,
        gather_for_metrics=lambda tensor: tensor,
        reduce=lambda tensor, reduction="sum": tensor,
    )
    common: dict[str, Any] = {
        "model": SimpleNamespace(training=True),
        "accelerator": accelerator,
        "aux_loss_enabled": False,
        "_metrics": {"train": defaultdict(list)},
        "_total_train_tokens": 0,
        "_tp_size": 1,
    }
    return SimpleNamespace(**(common | own))


def grpo_loss(trained: Any, given: dict[str, Tensor]) -> Tensor:
    """GRPO's token-level loss ("dapo") times its number of tokens: their sum."""
    stub = trainer(
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=KL,
        loss_type="dapo",
        epsilon_low=LOW,
        epsilon_high=HIGH,
        use_vllm=False,
        current_gradient_accumulation_steps=1,
        max_completion_length=given["mask"].shape[1],
        _entropy_bonus_enabled=False,
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
        _get_per_token_logps_and_entropies=lambda *a, **k: (given["log"], torch.zeros_like(given["log"]), None),
    )
    tokens = given["mask"].sum()
    batch = {
        "prompt_ids": given["ids"][:, :1],
        "prompt_mask": torch.ones_like(given["ids"][:, :1]),
        "completion_ids": given["ids"],
        "completion_mask": given["mask"],
        "advantages": given["scores"],
        "old_per_token_logps": given["old"],
        "ref_per_token_logps": given["reference"],
        "num_items_in_batch": tokens,
    }
    return trained._compute_loss(stub, None, batch) * tokens


def dpo_loss(trained: Any, given: dict[str, Tensor]) -> Tensor:
    """DPO's sigmoid loss (TRL smooths no labels in it), summed over pairs; each answer is one token long."""
    log_B1 = torch.cat([given["chosen"], given["rejected"]])[:, None]
    nothing_B1 = torch.zeros_like(log_B1)
    outputs = SimpleNamespace(log_probs=log_B1, entropy=nothing_B1, mean_logits=nothing_B1, is_top1=nothing_B1.bool())
    stub = trainer(
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=["sigmoid"],
        loss_weights=[1.0],
        beta=BETA,
        label_smoothing=0.0,
        use_weighting=False,
        args=SimpleNamespace(discopop_tau=0.05),
    )
    batch = {
        "input_ids": torch.ones(len(log_B1), 2, dtype=torch.long),
        "attention_mask": torch.ones(len(log_B1), 2, dtype=torch.long),
        "completion_mask": torch.tensor([[0, 1]] * len(log_B1)),
        "ref_chosen_logps": given["reference_chosen"],
        "ref_rejected_logps": given["reference_rejected"],
    }
    return trained._compute_loss(stub, lambda **_: outputs, batch, False) * len(given["chosen"])


def preference_loss(trained: Any, given: dict[str, Tensor]) -> Tensor:
    """The reward model's loss with its centring, summed over pairs."""
    outputs = SimpleNamespace(logits=torch.cat([given["chosen"], given["rejected"]])[:, None])
    stub = trainer(args=SimpleNamespace(center_rewards_coefficient=CENTRE))
    batch = {"attention_mask": torch.ones(len(outputs.logits), 1)}
    return trained.compute_loss(stub, lambda **_: outputs, batch) * len(given["chosen"])


def from_torchtune(given: dict[str, Tensor]) -> dict[str, Any]:
    """torchtune's functions. Its masks mark padding."""
    from torchtune import rlhf
    from torchtune.rlhf.loss import DPOLoss, PPOLoss

    everywhere = torch.ones_like(given["mask"], dtype=torch.bool)
    mask = given["mask"].bool()
    _, returns = rlhf.estimate_advantages(given["values"], given["rewards"], GAMMA, DECAY)
    ppo = PPOLoss(epsilon=LOW, value_clip_range=LOW, value_coeff=1.0)
    _, policy_loss, value_loss, _, clipped = ppo(
        given["old"],
        given["log"],
        given["advantages"],
        given["old_values"],
        given["values"],
        given["returns"],
        padding_masks=everywhere,
        value_padding_masks=everywhere,
    )
    cells = given["mask"].numel()
    dpo, better, worse = DPOLoss(beta=BETA, label_smoothing=SMOOTHING)(
        given["chosen"], given["rejected"], given["reference_chosen"], given["reference_rejected"]
    )
    mean = rlhf.masked_mean(given["values"], mask)
    shaped, *_ = rlhf.get_rewards_ppo(
        given["scores"], given["log"] * mask, given["reference"] * mask, KL, last_positions(given["mask"])
    )
    found = {
        "masked_mean": mean,
        # Its `shift_mean=True` adds the mean back, against what the name says.
        "whitened": rlhf.whiten(given["values"], mask, shift_mean=False) * mask,
        "shaped_rewards": shaped,
        "returns": returns,
        "policy_loss": policy_loss * cells,
        "value_loss": value_loss * cells,
        "clipped": clipped * cells,
        "dpo_loss": dpo.sum(),
        "dpo_chosen": better,
        "dpo_rejected": worse,
    }
    return {name: value.tolist() for name, value in found.items()}


def last_positions(mask_BT: Tensor) -> Tensor:
    """Of each row, the last position in the mask."""
    return (mask_BT * torch.arange(mask_BT.shape[1])).argmax(1)


def main() -> None:
    """All of it into one file, with the versions."""
    given = inputs()
    constants = {
        "beta": BETA, "smoothing": SMOOTHING, "low": LOW, "high": HIGH,
        "kl": KL, "gamma": GAMMA, "decay": DECAY, "centre": CENTRE,
    }  # fmt: skip
    frozen: dict[str, Any] = {
        "versions": {name: version(name) for name in ("torch", "trl", "torchtune")},
        "constants": constants,
        "inputs": {name: value.tolist() for name, value in given.items()},
        "trl": from_trl(given),
        "torchtune": from_torchtune(given),
    }
    FILE.write_text(json.dumps(frozen), encoding="utf-8")


if __name__ == "__main__":
    main()
