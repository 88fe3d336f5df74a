"""Losses and estimators of alignment, computed from log-probabilities (in nats); all pure functions.

A response is the tokens a model generated after a prompt. `mask` is 1 on them (end mark included) and 0 elsewhere;
values where it is 0 have no effect. In losses it may be another number: the multiplicity of the response. Losses are
sums: the training loop divides them by the count over all micro-batches and processes.

Shapes: B sequences, T positions, V vocabulary, P prompts, G responses of one prompt (a group).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_SURPRISAL = 1e-5
"""log(1 - p) is computed with log p at most minus this."""


def token_entropies(logits_NV: Tensor, temperature: float = 1.0) -> Tensor:
    """Entropy of softmax(logits / temperature) at each of N positions (of any shape) in nats, (N,)."""
    log_NV = (logits_NV / temperature).log_softmax(-1)
    return -(log_NV.exp() * log_NV).sum(-1)


# -- means over a mask --


def masked_mean(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean over the mask, a scalar; 0 if the mask is empty."""
    return (values_BT * mask_BT).sum() / mask_BT.sum().clamp(min=1)


def whiten(values_BT: Tensor, mask_BT: Tensor, eps: float = 1e-8) -> Tensor:
    """Values with mean 0 and variance 1 over the mask (variance with Bessel's correction); 0 elsewhere.

    As TRL's `masked_whiten(shift_mean=True)`; torchtune's adds the mean back under that name.
    """
    count = mask_BT.sum()
    mean = masked_mean(values_BT, mask_BT)
    centred_BT = (values_BT - mean) * mask_BT
    variance = centred_BT.square().sum() / (count - 1).clamp(min=1)
    return centred_BT * torch.rsqrt(variance + eps)


# -- KL divergence from the reference --


def kl_k1(log_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """log p - log q of the sampled token: an unbiased estimator of KL(p || q) for tokens sampled from p."""
    return log_BT - reference_BT


def kl_k3(log_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """q/p - 1 - log(q/p) of the sampled token (Schulman 2020): unbiased, non-negative, of lower variance."""
    ratio_BT = reference_BT - log_BT
    return ratio_BT.exp() - 1 - ratio_BT


# -- advantages --


def shaped_rewards(scores_B: Tensor, kl_BT: Tensor, mask_BT: Tensor, kl_weight: float) -> Tensor:
    """Rewards of tokens, (B, T): -kl_weight x KL, plus the response's score at its last token (Ouyang et al. 2022).

    A response without tokens has none.
    """
    rewards_BT = -kl_weight * kl_BT * mask_BT
    length_B = mask_BT.sum(1).long()
    positions_BT = torch.arange(mask_BT.shape[1], device=mask_BT.device).expand_as(mask_BT)
    last_B = (positions_BT * mask_BT.long()).amax(1)
    nonempty_B = (length_B > 0).to(scores_B.dtype)
    return rewards_BT.scatter_add(1, last_B[:, None], (scores_B * nonempty_B)[:, None].to(rewards_BT.dtype))


def generalised_advantages(
    rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, gamma: float, decay: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns, (B, T) each (GAE: Schulman et al. 2016).

        delta_t = r_t + gamma V_{t+1} - V_t          V after the last token is 0
        A_t = delta_t + gamma decay A_{t+1}          return_t = A_t + V_t

    Both are 0 outside the mask, which must be contiguous in each row.
    """
    next_B = torch.zeros_like(values_BT[:, 0])
    later_B = torch.zeros_like(next_B)
    advantages_BT = torch.zeros_like(values_BT)
    for t in range(values_BT.shape[1] - 1, -1, -1):
        mask_B = mask_BT[:, t].to(values_BT.dtype)
        delta_B = rewards_BT[:, t] + gamma * next_B - values_BT[:, t]
        later_B = (delta_B + gamma * decay * later_B) * mask_B
        advantages_BT[:, t] = later_B
        next_B = values_BT[:, t] * mask_B
    return advantages_BT, (advantages_BT + values_BT) * mask_BT


def group_advantages(scores_PG: Tensor, scale: bool = True, eps: float = 1e-4) -> Tensor:
    """Each response's score minus its group's mean, with `scale` divided by the group's standard deviation (Bessel)
    + eps (GRPO: Shao et al. 2024; without: Dr. GRPO, Liu et al. 2025). 0 in a group of equal scores."""
    scores_PG = scores_PG - scores_PG[:, :1]  # so that equal scores give exactly 0 in spite of rounding
    centred_PG = scores_PG - scores_PG.mean(1, keepdim=True)
    if not scale:
        return centred_PG
    return centred_PG / (scores_PG.std(1, keepdim=True) + eps)


# -- losses --


def clipped_policy_loss(
    log_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """Sum over tokens of -min(ratio A, clip(ratio, 1 - low, 1 + high) A), ratio = p / p_old (PPO: Schulman et al.
    2017), and the number of tokens whose gradient was clipped to 0.

    high > low is "clip-higher" of DAPO (Yu et al. 2025).
    """
    ratio_BT = (log_BT - old_BT).where(mask_BT > 0, 0).exp()  # 1 outside the mask, where it could overflow
    free_BT = -advantages_BT * ratio_BT
    clipped_BT = -advantages_BT * ratio_BT.clamp(1 - low, 1 + high)
    loss = (torch.maximum(free_BT, clipped_BT) * mask_BT).sum()
    return loss, ((clipped_BT > free_BT).to(mask_BT.dtype) * mask_BT).sum()


def clipped_value_loss(values_BT: Tensor, old_BT: Tensor, returns_BT: Tensor, mask_BT: Tensor, clip: float) -> Tensor:
    """Sum over tokens of 1/2 max((V - R)^2, (V_old + clip(V - V_old, +-clip) - R)^2): limits the change of a value in
    one round to `clip`."""
    near_BT = old_BT + (values_BT - old_BT).clamp(-clip, clip)
    worst_BT = torch.maximum((values_BT - returns_BT).square(), (near_BT - returns_BT).square())
    return 0.5 * (worst_BT * mask_BT).sum()


def preference_loss(chosen_B: Tensor, rejected_B: Tensor, centre: float = 0.0) -> Tensor:
    """Sum over pairs of -log sigmoid(r_chosen - r_rejected) (Bradley & Terry 1952) + `centre` x (r_c + r_r)^2, which
    centres the rewards, otherwise determined up to a constant, at 0 (Eisenstein et al. 2023)."""
    loss_B = -F.logsigmoid(chosen_B - rejected_B) + centre * (chosen_B + rejected_B).square()
    return loss_B.sum()


def prefix_preference_loss(chosen_BT: Tensor, rejected_BT: Tensor, mask_BT: Tensor, centre: float = 0.0) -> Tensor:
    """Sum over pairs of the mean of `preference_loss` over the prefix lengths that both answers have (mask): the reward
    model scores every prefix, as the verifiers of Cobbe et al. (2021). On a common prefix only the centring acts; it
    draws the reward to 0, so that the difference of two prefixes' rewards is the contribution of the token between."""
    loss_BT = -F.logsigmoid(chosen_BT - rejected_BT) + centre * (chosen_BT + rejected_BT).square()
    return ((loss_BT * mask_BT).sum(1) / mask_BT.sum(1).clamp(min=1)).sum()


def direct_preference_loss(
    chosen_B: Tensor,
    rejected_B: Tensor,
    reference_chosen_B: Tensor,
    reference_rejected_B: Tensor,
    beta: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """DPO (Rafailov et al. 2023), from log-probabilities of whole answers: sum over pairs of

        -log sigmoid(beta ((log p_c/q_c) - (log p_r/q_r)))

    and the implied rewards beta log p/q of the chosen and the rejected, (B,) each.
    """
    reward_chosen_B = beta * (chosen_B - reference_chosen_B)
    reward_rejected_B = beta * (rejected_B - reference_rejected_B)
    margin_B = reward_chosen_B - reward_rejected_B
    return -F.logsigmoid(margin_B).sum(), reward_chosen_B.detach(), reward_rejected_B.detach()


def kahneman_tversky_loss(
    log_B: Tensor,
    reference_B: Tensor,
    desirable_B: Tensor,
    z0: float,
    beta: float,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """KTO (Ethayarajh et al. 2024): the loss of each answer, (B,),

        w_D (1 - sigmoid(beta (r - z0)))   desirable      w_U (1 - sigmoid(beta (z0 - r)))   undesirable

    with r = log p/q of the whole answer and z0 the reference point, an estimate of KL(p || q) in nats through which no
    gradient flows. TRL's `KTOTrainer` (loss type `kto`) has the same terms. Also the implied rewards beta r, (B,).
    """
    reward_B = beta * (log_B - reference_B)
    weight_B = torch.where(desirable_B, desirable_weight, undesirable_weight)
    gain_B = torch.where(desirable_B, reward_B - beta * z0, beta * z0 - reward_B)
    return weight_B * torch.sigmoid(-gain_B), reward_B.detach()


# -- repetition --


def repeats(target_BT: Tensor, start_BT: Tensor, ignore: int) -> Tensor:
    """Negative targets for `unlikelihood_loss`, (B, T, T): true at [b, t, s] if s < t, both are in the same
    conversation (start: its first position), s is the first occurrence of its token there, and that token is not the
    target at t. ignore: the id of targets without loss."""
    positions_T = torch.arange(target_BT.shape[1], device=target_BT.device)
    trained_BT = target_BT != ignore
    earlier_BTT = (positions_T < positions_T[:, None]) & (positions_T >= start_BT[:, :, None])
    earlier_BTT = earlier_BTT & trained_BT[:, :, None] & trained_BT[:, None, :]
    equal_BTT = target_BT[:, :, None] == target_BT[:, None, :]
    first_BT = ~(earlier_BTT & equal_BTT).any(-1)
    return earlier_BTT & ~equal_BTT & first_BT[:, None, :]


def unlikelihood_loss(log_NT: Tensor, repeats_NT: Tensor) -> Tensor:
    """Sum of -log(1 - p) over earlier tokens of an answer that are not the next (token-level unlikelihood: Welleck et
    al. 2020). log_NT: log p of the earlier tokens at each of N positions; repeats_NT: which of them count, see
    `repeats`.
    """
    log_p_NT = log_NT.where(repeats_NT, -torch.inf).clamp(max=-MIN_SURPRISAL)
    return -torch.log1p(-log_p_NT.exp()).sum()
