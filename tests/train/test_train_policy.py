"""Estimators and losses of alignment against sums done by hand in float64, and what a mask promises."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from modou.model.loss import token_log_probabilities
from modou.train import policy


def f64(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def rows(*lists: list[float]) -> Tensor:
    return torch.tensor(lists, dtype=torch.float64)


# -- log-probabilities and entropies --


@pytest.mark.parametrize("temperature", [1.0, 0.7, 2.0])
def test_log_probabilities_and_entropies_by_hand(temperature: float) -> None:
    logits = [[1.0, -2.0, 0.5], [0.0, 0.0, 3.0]]
    weights = [[math.exp(value / temperature) for value in row] for row in logits]
    share = [[value / sum(row) for value in row] for row in weights]
    logits_BTV, ids_BT = torch.tensor([logits], dtype=torch.float64), torch.tensor([[2, 0]])
    found_BT = token_log_probabilities(logits_BTV, ids_BT, temperature)
    assert found_BT[0].tolist() == pytest.approx([math.log(share[0][2]), math.log(share[1][0])], abs=1e-12)
    entropy_BT = policy.token_entropies(logits_BTV, temperature)
    by_hand = [-sum(p * math.log(p) for p in row) for row in share]
    assert entropy_BT[0].tolist() == pytest.approx(by_hand, abs=1e-12)


# -- means --


def test_mean_and_whitening_by_hand() -> None:
    values_BT, mask_BT = rows([1.0, 2.0, 99.0], [4.0, -7.0, 5.0]), rows([1, 1, 0], [1, 0, 0])
    assert policy.masked_mean(values_BT, mask_BT).item() == pytest.approx(7 / 3)
    spread = math.sqrt(sum((v - 7 / 3) ** 2 for v in (1, 2, 4)) / 2)
    white_BT = policy.whiten(values_BT, mask_BT)
    assert white_BT.flatten().tolist() == pytest.approx(
        [(1 - 7 / 3) / spread, (2 - 7 / 3) / spread, 0, (4 - 7 / 3) / spread, 0, 0], abs=1e-7
    )
    assert policy.masked_mean(values_BT, torch.zeros_like(mask_BT)).item() == 0


# -- KL --


def test_both_estimates_are_unbiased_and_k3_is_never_negative() -> None:
    p, q = f64(0.5, 0.3, 0.2), f64(0.2, 0.2, 0.6)
    exact = (p * (p / q).log()).sum().item()
    for estimate in (policy.kl_k1, policy.kl_k3):
        assert (p * estimate(p.log(), q.log())).sum().item() == pytest.approx(exact, abs=1e-12)
    assert (policy.kl_k3(p.log(), q.log()) >= 0).all() and (policy.kl_k1(p.log(), q.log()) < 0).any()


# -- advantages --


def test_the_score_lands_on_the_last_token_and_nowhere_else() -> None:
    mask_BT = rows([0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1])
    kl_BT = rows([9.0, 0.5, 1.0, 9.0], [9, 9, 9, 2.0], [9, 9, 9, 9], [0, 0, 0, 0])
    found_BT = policy.shaped_rewards(f64(3, 4, 5, 6), kl_BT, mask_BT, 0.1)
    assert found_BT.tolist() == [
        pytest.approx([0, -0.05, 2.9, 0]),
        pytest.approx([0, 0, 0, 3.8]),
        [0, 0, 0, 0],
        pytest.approx([0, 0, 0, 6]),
    ]


def slow_advantages(rewards: list[float], values: list[float], gamma: float, decay: float) -> list[float]:
    """The sum of the definition, one answer without padding: A_t = sum (gamma decay)^k delta_{t+k}."""
    deltas = [
        reward + gamma * (values[t + 1] if t + 1 < len(values) else 0.0) - values[t] for t, reward in enumerate(rewards)
    ]
    return [sum((gamma * decay) ** k * delta for k, delta in enumerate(deltas[t:])) for t in range(len(deltas))]


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=6),
    st.integers(0, 3),
    st.integers(0, 3),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_advantages_equal_the_definition_wherever_the_answer_stands(
    steps: list[tuple[float, float]], before: int, after: int, gamma: float, decay: float
) -> None:
    rewards, values = [step[0] for step in steps], [step[1] for step in steps]
    noise = [7.0]
    padded = [rows(noise * before + part + noise * after) for part in (rewards, values)]
    mask_BT = rows([0.0] * before + [1.0] * len(steps) + [0.0] * after)
    advantages_BT, returns_BT = policy.generalised_advantages(*padded, mask_BT, gamma, decay)
    expected = slow_advantages(rewards, values, gamma, decay)
    assert advantages_BT[0].tolist() == pytest.approx([0.0] * before + expected + [0.0] * after, abs=1e-9)
    inside = [a + v for a, v in zip(expected, values, strict=True)]
    assert returns_BT[0].tolist() == pytest.approx([0.0] * before + inside + [0.0] * after, abs=1e-9)


def test_group_advantages_by_hand() -> None:
    scores_PG = rows([1, 2, 3, 6], [5, 5, 5, 5])
    spread = math.sqrt((4 + 1 + 0 + 9) / 3)
    found = policy.group_advantages(scores_PG)
    assert found[0].tolist() == pytest.approx([value / (spread + 1e-4) for value in (-2, -1, 0, 3)])
    assert found[1].tolist() == [0, 0, 0, 0], "nothing is learnt where all answers are alike"
    assert policy.group_advantages(scores_PG, scale=False)[0].tolist() == [-2, -1, 0, 3]


# -- losses --


def test_the_clipped_policy_loss_by_hand() -> None:
    ratios, advantages = [1.0, 1.5, 0.5, 1.5, 0.5], [2.0, 1.0, 1.0, -1.0, -1.0]
    expected = [-2.0, -1.2, -0.5, 1.5, 0.8]  # -min(r A, clip(r, 0.8, 1.2) A)
    log_BT, old_BT = torch.tensor([ratios], dtype=torch.float64).log() - 3, torch.full((1, 5), -3.0).double()
    loss, clipped = policy.clipped_policy_loss(log_BT, old_BT, rows(advantages), rows([1] * 5), 0.2, 0.2)
    assert loss.item() == pytest.approx(sum(expected)) and clipped.item() == 2
    higher, _ = policy.clipped_policy_loss(log_BT, old_BT, rows(advantages), rows([1] * 5), 0.2, 0.4)
    assert higher.item() == pytest.approx(sum(expected) - 0.2), "clip higher lets a good token grow further"


def test_where_the_clip_bites_there_is_no_gradient() -> None:
    log_BT = rows([0.5, -0.5, 0.0]).requires_grad_()
    loss, _ = policy.clipped_policy_loss(
        log_BT, rows([0.0, 0.0, 0.0]), rows([1.0, -1.0, 1.0]), rows([1, 1, 1]), 0.2, 0.2
    )
    loss.backward()
    assert log_BT.grad is not None and log_BT.grad.tolist() == [[0.0, 0.0, -1.0]]


def test_the_clipped_value_loss_by_hand() -> None:
    values_BT, old_BT, returns_BT = rows([1.0, 0.9]), rows([0.5, 1.0]), rows([2.0, 0.0])
    # near: 0.7 and 0.9; squares: max(1, 1.69) and max(0.81, 0.81)
    loss = policy.clipped_value_loss(values_BT, old_BT, returns_BT, rows([1, 1]), 0.2)
    assert loss.item() == pytest.approx(0.5 * (1.69 + 0.81))


def test_the_preference_loss_by_hand() -> None:
    def minus_log_sigmoid(x: float) -> float:
        return math.log1p(math.exp(-x))

    found = policy.preference_loss(f64(1.0, -2.0), f64(0.5, 1.0), centre=0.01)
    expected = minus_log_sigmoid(0.5) + minus_log_sigmoid(-3.0) + 0.01 * (1.5**2 + 1.0)
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_direct_preferences_by_hand() -> None:
    chosen, rejected, old_chosen, old_rejected, beta = -5.0, -6.0, -5.5, -5.0, 0.3
    margin = beta * ((chosen - old_chosen) - (rejected - old_rejected))
    loss, better, worse = policy.direct_preference_loss(
        f64(chosen), f64(rejected), f64(old_chosen), f64(old_rejected), beta
    )
    assert loss.item() == pytest.approx(math.log1p(math.exp(-margin)), abs=1e-12)
    assert (better - worse).item() == pytest.approx(margin)
    start, *_ = policy.direct_preference_loss(f64(chosen), f64(rejected), f64(chosen), f64(rejected), beta)
    assert start.item() == pytest.approx(math.log(2)), "at the reference itself nothing is known"


@pytest.mark.parametrize("z0", [0.0, 1.5])
def test_judged_answers_by_hand(z0: float) -> None:
    log, reference, beta = f64(-5.0, -6.0, -2.0), f64(-5.5, -5.0, -4.0), 0.3
    desirable = torch.tensor([True, False, False])
    loss_B, reward_B = policy.kahneman_tversky_loss(log, reference, desirable, z0, beta, 1.5, 0.5)
    by_hand = [
        1.5 * (1 - 1 / (1 + math.exp(-beta * (0.5 - z0)))),
        0.5 * (1 - 1 / (1 + math.exp(-beta * (z0 + 1.0)))),
        0.5 * (1 - 1 / (1 + math.exp(-beta * (z0 - 2.0)))),
    ]
    assert loss_B.tolist() == pytest.approx(by_hand, abs=1e-12)
    assert reward_B.tolist() == pytest.approx([0.15, -0.3, 0.6], abs=1e-12)
    log.requires_grad_(True)
    policy.kahneman_tversky_loss(log, reference, desirable, z0, beta)[0].sum().backward()
    assert log.grad is not None and log.grad[0] < 0 < log.grad[1] and log.grad[2] > 0


# -- what the mask promises --


def test_nothing_under_the_mask_changes_anything() -> None:
    torch.manual_seed(0)
    mask_BT = rows([0, 1, 1, 0, 0], [0, 0, 1, 1, 1])
    clean = [torch.randn(2, 5, dtype=torch.float64) for _ in range(4)]
    dirty = [tensor + (1 - mask_BT) * 1e3 for tensor in clean]

    def everything(log_BT: Tensor, old_BT: Tensor, a_BT: Tensor, b_BT: Tensor) -> list[Tensor]:
        advantages_BT, returns_BT = policy.generalised_advantages(a_BT, b_BT, mask_BT, 0.99, 0.9)
        return [
            policy.masked_mean(log_BT, mask_BT),
            policy.whiten(a_BT, mask_BT),
            policy.shaped_rewards(f64(1, 2), policy.kl_k1(log_BT, old_BT), mask_BT, 0.1),
            advantages_BT,
            returns_BT,
            policy.clipped_value_loss(log_BT, old_BT, returns_BT, mask_BT, 0.2),
        ]

    for before, after in zip(everything(*clean), everything(*dirty), strict=True):
        torch.testing.assert_close(before, after)


# -- repetition --


def test_repeats_by_hand() -> None:
    target_BT = torch.tensor([[-100, 5, 6, 5, 7, 6, -100, 5, 8]])
    start_BT = torch.tensor([[0, 0, 0, 0, 0, 0, 6, 6, 6]])
    found = policy.repeats(target_BT, start_BT, ignore=-100)[0].nonzero().tolist()
    # Each once, at its first place; not the 5 that comes again at 3, nor the 6 at 5; from 6 on nothing was said yet.
    assert found == [[2, 1], [3, 2], [4, 1], [4, 2], [5, 1], [5, 4], [8, 7]]


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=4), st.integers(0, 2))
def test_repeats_are_the_earlier_tokens_but_the_next(answers: list[list[int]], question: int) -> None:
    target = [token for answer in answers for token in [-100] * question + answer]
    start = [
        at
        for number, answer in enumerate(answers)
        for at in [sum(map(len, answers[:number])) + question * number] * (question + len(answer))
    ]
    found = policy.repeats(torch.tensor([target]), torch.tensor([start]), ignore=-100)[0]
    place = 0
    for answer in answers:
        place += question
        for length, token in enumerate(answer):
            had = [target[at] for at in found[place].nonzero()[:, 0].tolist()]
            assert sorted(had) == sorted(set(answer[:length]) - {token})  # each once
            place += 1


def test_unlikelihood_by_hand() -> None:
    log_NT = rows([0.5, 0.25, 0.1], [0.9, 1.0, 0.2]).log()
    counted_NT = torch.tensor([[True, False, True], [False, False, False]])
    found = policy.unlikelihood_loss(log_NT, counted_NT)
    assert found.item() == pytest.approx(-math.log(0.5) - math.log(0.9), abs=1e-12)
    sure = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    policy.unlikelihood_loss(sure, torch.ones(1, 1, dtype=torch.bool)).backward()
    assert sure.grad is not None and sure.grad.isfinite().all()
