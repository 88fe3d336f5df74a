"""What alignment computes from log-probabilities: estimators and losses, each with its formula, all pure functions.

A response is the tokens a model wrote after a prompt; `mask` is 1 on them (end mark included) and 0 elsewhere, and
nothing where it is 0 may change any result. To a loss it may be another number: how many equal responses one stands
for. Every loss is a sum with the count it is to be divided by left to the caller, because the loop divides by the count
over all micro-batches and processes.

Shapes: B sequences, T positions, V vocabulary, P prompts, G responses of one prompt (a group).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

SURE = 1e-5
"""No probability counts as nearer to 1 than e^-this where the logarithm of what is left of it is taken."""


def token_entropies(logits_NV: Tensor, temperature: float = 1.0) -> Tensor:
    """Entropy of softmax(logits / temperature) at each of N positions (of any shape) in nats, (N,)."""
    log_NV = (logits_NV / temperature).log_softmax(-1)
    return -(log_NV.exp() * log_NV).sum(-1)


# -- means over a mask --


def masked_mean(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean where the mask is 1, as a scalar; 0 where it is nowhere."""
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


# -- distance from the reference --


def kl_k1(log_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """log p - log q of the drawn token: unbiased for KL(p || q) over tokens drawn from p, of either sign."""
    return log_BT - reference_BT


def kl_k3(log_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """q/p - 1 - log(q/p) of the drawn token (Schulman 2020): unbiased too, never negative, of less variance."""
    ratio_BT = reference_BT - log_BT
    return ratio_BT.exp() - 1 - ratio_BT


# -- advantages --


def shaped_rewards(scores_B: Tensor, kl_BT: Tensor, mask_BT: Tensor, kl_weight: float) -> Tensor:
    """Reward of each token: -kl_weight x its KL, and the whole response's score at its last token (Ouyang et al. 2022).

    A response without tokens gets nothing.
    """
    rewards_BT = -kl_weight * kl_BT * mask_BT
    length_B = mask_BT.sum(1).long()
    positions_BT = torch.arange(mask_BT.shape[1], device=mask_BT.device).expand_as(mask_BT)
    last_B = (positions_BT * mask_BT.long()).amax(1)
    here_B = (length_B > 0).to(scores_B.dtype)
    return rewards_BT.scatter_add(1, last_B[:, None], (scores_B * here_B)[:, None].to(rewards_BT.dtype))


def generalised_advantages(
    rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, gamma: float, decay: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns, (B, T) each (GAE: Schulman et al. 2016).

        delta_t = r_t + gamma V_{t+1} - V_t          V after the last token is 0: the text is over
        A_t = delta_t + gamma decay A_{t+1}          return_t = A_t + V_t

    Both are 0 where the mask is. The masked positions of a row must be one stretch.
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
    """Each response's score less its group's mean, over the group's standard deviation (Bessel) + eps where `scale`
    (GRPO: Shao et al. 2024; without: Dr. GRPO, Liu et al. 2025). A group of equal scores teaches nothing: 0."""
    scores_PG = scores_PG - scores_PG[:, :1]  # equal scores are exactly 0 now: a mean may be off by its rounding
    centred_PG = scores_PG - scores_PG.mean(1, keepdim=True)
    if not scale:
        return centred_PG
    return centred_PG / (scores_PG.std(1, keepdim=True) + eps)


# -- losses --


def clipped_policy_loss(
    log_BT: Tensor, old_BT: Tensor, advantages_BT: Tensor, mask_BT: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    """Sum over tokens of -min(ratio A, clip(ratio, 1 - low, 1 + high) A), ratio = p / p_old (PPO: Schulman et al.
    2017), and the number of tokens at which the clip took the gradient away.

    high > low is DAPO's "clip higher" (Yu et al. 2025).
    """
    ratio_BT = (log_BT - old_BT).where(mask_BT > 0, 0).exp()  # 1 outside the mask: nothing there can overflow
    free_BT = -advantages_BT * ratio_BT
    clipped_BT = -advantages_BT * ratio_BT.clamp(1 - low, 1 + high)
    loss = (torch.maximum(free_BT, clipped_BT) * mask_BT).sum()
    return loss, ((clipped_BT > free_BT).to(mask_BT.dtype) * mask_BT).sum()


def clipped_value_loss(values_BT: Tensor, old_BT: Tensor, returns_BT: Tensor, mask_BT: Tensor, clip: float) -> Tensor:
    """Sum over tokens of 1/2 max((V - R)^2, (V_old + clip(V - V_old, +-clip) - R)^2): a value may move by `clip` only
    in one round."""
    near_BT = old_BT + (values_BT - old_BT).clamp(-clip, clip)
    worst_BT = torch.maximum((values_BT - returns_BT).square(), (near_BT - returns_BT).square())
    return 0.5 * (worst_BT * mask_BT).sum()


def preference_loss(chosen_B: Tensor, rejected_B: Tensor, centre: float = 0.0) -> Tensor:
    """Sum over pairs of -log sigmoid(r_chosen - r_rejected) (Bradley & Terry 1952), and `centre` x (r_c + r_r)^2, which
    fixes the free constant of the rewards near 0 (Eisenstein et al. 2023)."""
    loss_B = -F.logsigmoid(chosen_B - rejected_B) + centre * (chosen_B + rejected_B).square()
    return loss_B.sum()


def prefix_preference_loss(chosen_BT: Tensor, rejected_BT: Tensor, mask_BT: Tensor, centre: float = 0.0) -> Tensor:
    """Sum over pairs of the mean of the same over the places that both answers have (mask): every beginning is judged,
    as Cobbe et al. (2021) teach their verifiers. Where both begin alike only the centre is left: it draws the reward
    of what may still become either to 0, so that a token's share of a reward is what the token decided."""
    loss_BT = -F.logsigmoid(chosen_BT - rejected_BT) + centre * (chosen_BT + rejected_BT).square()
    return ((loss_BT * mask_BT).sum(1) / mask_BT.sum(1).clamp(min=1)).sum()


def direct_preference_loss(
    chosen_B: Tensor,
    rejected_B: Tensor,
    reference_chosen_B: Tensor,
    reference_rejected_B: Tensor,
    beta: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """DPO (Rafailov et al. 2023): sum over pairs of

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
    """Which earlier targets of its conversation a target must not be, (B, T, T), true at [b, t, s]: s is before t, in
    the same conversation (`start`: where that of each position begins), the first place of its token, and that token is
    not what comes at t."""
    places_T = torch.arange(target_BT.shape[1], device=target_BT.device)
    trained_BT = target_BT != ignore
    earlier_BTT = (places_T < places_T[:, None]) & (places_T >= start_BT[:, :, None])
    earlier_BTT = earlier_BTT & trained_BT[:, :, None] & trained_BT[:, None, :]
    equal_BTT = target_BT[:, :, None] == target_BT[:, None, :]
    first_BT = ~(earlier_BTT & equal_BTT).any(-1)
    return earlier_BTT & ~equal_BTT & first_BT[:, None, :]


def unlikelihood_loss(log_NT: Tensor, repeats_NT: Tensor) -> Tensor:
    """Sum of -log(1 - p) over tokens that an answer has had and that do not come next (token-level unlikelihood:
    Welleck et al. 2020). `log_NT`: log p of the earlier tokens at each of N places; `repeats_NT`: which of them count.
    """
    surely_NT = log_NT.where(repeats_NT, -torch.inf).clamp(max=-SURE)
    return -torch.log1p(-surely_NT.exp()).sum()
