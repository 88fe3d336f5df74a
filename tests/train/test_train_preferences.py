"""Reward model and DPO: what is read where, that they learn it, resumed to the bit, two ranks as one."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import EXACT
from hypothesis import given
from hypothesis import strategies as st
from rank_helpers import record_gradients, start_two, world_of_two
from train_helpers import (
    DOES,
    WHAT,
    WHO,
    assert_close,
    assert_same_run,
    model_settings,
    run,
    tensors,
    tokenizer,
    trainer,
)

from modou.data.conversation import Message, Template
from modou.data.pairs import Pair, encode_pair, pair_at, pair_batch, step_pairs
from modou.data.shards import IGNORE
from modou.methods.dpo import Dpo, answer_log_probabilities
from modou.methods.pretrain import Pretrain
from modou.methods.reward import RewardObjective, prefix_rewards, rewards
from modou.model.gpt import GPT
from modou.model.scored import ImplicitGPT, ScoredGPT
from modou.settings.methods import DpoSettings, RewardSettings
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.train.loop import Trainer

CONTEXT, STEPS = 96, 6
GENTLE = 0.0003
"""A score's bias has hardly a gradient but rounding, of which AdamW makes whole steps: let them be small."""
CPU = torch.device("cpu")
TEMPLATE = Template(tokenizer())
QUESTIONS = [(Message("user", f"{who}？"),) for who in WHO]
# The better answer always ends in the same words; sometimes it is the shorter one.
PAIRS = [
    encode_pair(TEMPLATE, question, f"{does}{what}。", f"{what}{does}{what}" if n % 2 else does, "ab"[n % 2])
    for n, (question, does, what) in enumerate(zip(QUESTIONS, DOES, WHAT, strict=True))
]
SHAPE = model_settings(context=CONTEXT)


def reference() -> GPT:
    torch.manual_seed(5)
    return GPT(SHAPE).eval().requires_grad_(False)


def reward_objective(made: Pretrain) -> RewardObjective:
    return RewardObjective(PAIRS[:5], PAIRS[3:], RewardSettings(), 5, 4, made.device, made.micro_batch)


def dpo_objective(made: Pretrain) -> Dpo:
    return Dpo(
        pairs=PAIRS[:5],
        held_out=PAIRS[3:],
        prompts=QUESTIONS[:2],
        reference=reference(),
        template=TEMPLATE,
        sampling=SamplingSettings(tokens=4, seed=2),
        settings=DpoSettings(beta=0.3),
        batch=5,
        seed=4,
        device=made.device,
        micro_batch=made.micro_batch,
    )


def implicit(shape: ModelSettings) -> ImplicitGPT:
    return ImplicitGPT(shape, RewardSettings().beta)


def from_reference(shape: ModelSettings) -> GPT:
    model = GPT(shape)
    model.load_state_dict(reference().state_dict())
    return model


OBJECTIVES: dict[str, Callable[[Pretrain], Any]] = {"reward": reward_objective, "dpo": dpo_objective}
MODELS: dict[str, Callable[[ModelSettings], GPT]] = {"reward": implicit, "dpo": from_reference}


def training(
    folder: Path, name: str, steps: int = STEPS, rate: float = 0.005, optimizer: str = "muon", **more: Any
) -> Trainer:
    return trainer(
        folder,
        model=SHAPE,
        train={"steps": steps, "batch": 5, "micro_batch": 2, "evaluate_every": max(2, steps // 3)},
        optimizer={"name": optimizer, "matrix_lr": rate, "embedding_lr": rate, "norm_lr": rate, "clip": 0},
        change=OBJECTIVES[name],
        make=MODELS[name],
        **more,
    )


# -- what is read where --


def test_a_pair_trains_only_the_two_answers() -> None:
    batch = pair_batch(PAIRS[:2], CPU)
    for row, pair in enumerate([PAIRS[0], PAIRS[1]]):
        for offset, side in ((0, pair.chosen), (2, pair.rejected)):
            target = batch.target_BT[row + offset]
            learned = [id for id, t in zip(side.ids, side.trained, strict=True) if t]
            assert target[target != IGNORE].tolist() == learned and learned[-1] == tokenizer().end
            assert batch.ids_BT[row + offset, : len(side)].tolist() == list(side.ids)
            assert batch.last_B[row + offset] == len(side) - 1


def test_a_reward_is_read_after_the_whole_answer_and_padding_changes_nothing() -> None:
    torch.manual_seed(0)
    model = ScoredGPT(SHAPE).double().eval()
    torch.nn.init.normal_(model.score.weight)
    with torch.no_grad():
        together = rewards(model, pair_batch(PAIRS, CPU))
        alone = [rewards(model, pair_batch([pair], CPU)) for pair in PAIRS]
        by_hand = model.scores(model.hidden(torch.tensor([PAIRS[0].chosen.ids])))[0, -1]
    torch.testing.assert_close(together[: len(PAIRS)], torch.stack([pair[0] for pair in alone]))
    torch.testing.assert_close(together[len(PAIRS) :], torch.stack([pair[1] for pair in alone]))
    torch.testing.assert_close(together[0], by_hand)


RIVALS = [Pair(PAIRS[n].chosen, rejected.rejected) for n in range(3) for rejected in PAIRS[n + 1 : 4]]
"""Of three questions with 3, 2 and 1 pairs."""


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 99))
def test_an_epoch_has_every_pair_once_and_those_of_one_question_together(sizes: list[int], seed: int) -> None:
    count = sum(sizes)
    question = [number for number, size in enumerate(sizes) for _ in range(size)]
    for epoch in range(2):
        order = [pair_at(epoch * count + place, tuple(sizes), seed) for place in range(count)]
        assert sorted(order) == list(range(count))
        groups = [question[pair] for pair in order]
        assert sum(a != b for a, b in pairwise(groups)) == len(sizes) - 1


def test_an_answer_preferred_to_several_is_read_once_and_nothing_else_changes() -> None:
    torch.manual_seed(0)
    model = ScoredGPT(SHAPE).double().eval()
    torch.nn.init.normal_(model.score.weight)
    batch = pair_batch(RIVALS, CPU)
    assert len(batch.ids_BT) == len({pair.chosen for pair in RIVALS} | {pair.rejected for pair in RIVALS}) == 6 < 12
    with torch.no_grad():
        alone = [rewards(model, pair_batch([pair], CPU)) for pair in RIVALS]
        torch.testing.assert_close(rewards(model, batch), torch.stack(alone).T.flatten())
        log_2P = answer_log_probabilities(model, batch)
        alone = [answer_log_probabilities(model, pair_batch([pair], CPU)) for pair in RIVALS]
        torch.testing.assert_close(log_2P, torch.stack(alone).T.flatten())
    (together,) = step_pairs(RIVALS, 0, len(RIVALS), 3, 0, 1, 0, CPU)
    assert len(together.ids_BT) == len(batch.ids_BT) and together.count == len(RIVALS)


@pytest.mark.parametrize("centre", [0.0, 0.1])
def test_beginnings_are_compared_where_both_answers_are(centre: float) -> None:
    """By hand, place by place, from the one where nothing is written: what only one answer has does not count."""
    torch.manual_seed(0)
    model = ScoredGPT(SHAPE).double().eval()
    torch.nn.init.normal_(model.score.weight)
    loss = {}
    for weight in (0.0, 1.0):
        made = replace(reward_objective(_made()), settings=RewardSettings(beginnings=weight, centre=centre))
        loss[weight] = made.loss(model, pair_batch(PAIRS[:3], CPU))[0].item()
    expected = 0.0
    for pair in PAIRS[:3]:
        first = pair.chosen.trained.index(True)
        assert pair.rejected.trained.index(True) == first
        with torch.no_grad():
            alone = (pair_batch([Pair(side, side)], CPU) for side in (pair.chosen, pair.rejected))
            chosen, rejected = (prefix_rewards(model, batch)[0][0] for batch in alone)
        common = min(len(pair.chosen), len(pair.rejected))
        better, worse = chosen[first - 1 : common], rejected[first - 1 : common]
        loss_T = torch.nn.functional.softplus(worse - better) + centre * (better + worse) ** 2
        expected += loss_T.mean().item()
    assert loss[1.0] - loss[0.0] == pytest.approx(expected, rel=1e-6)


def test_a_judge_learns_the_better_answer_of_each_pair_word_by_word_too() -> None:
    torch.manual_seed(0)
    model = implicit(SHAPE).double().eval()
    found: list[float] = []
    for weight in (0.0, 2.0):
        made = replace(
            reward_objective(_made()), settings=RewardSettings(kind="implicit", sft_weight=weight, centre=0.0)
        )
        found.append(made.loss(model, pair_batch(RIVALS, CPU))[0].item())
    with torch.no_grad():
        alone = [answer_log_probabilities(model, pair_batch([pair], CPU))[0].item() for pair in RIVALS]
    assert found[1] - found[0] == pytest.approx(-2.0 * sum(alone), rel=EXACT)


def test_the_probability_of_an_answer_by_hand() -> None:
    torch.manual_seed(0)
    model = GPT(SHAPE).double().eval()
    pair = PAIRS[2]
    with torch.no_grad():
        found = answer_log_probabilities(model, pair_batch([pair], CPU))
        log = model(torch.tensor([pair.chosen.ids])).log_softmax(-1)[0]
    by_hand = sum(
        log[place - 1, id].item()
        for place, (id, trained) in enumerate(zip(pair.chosen.ids, pair.chosen.trained, strict=True))
        if trained
    )
    assert found[0].item() == pytest.approx(by_hand, rel=EXACT)


def test_dpo_begins_at_ln_2_and_an_undecided_margin() -> None:
    made = dpo_objective(_made())
    made.reference.double()
    loss, found = made.loss(from_reference(SHAPE).double().eval(), pair_batch(PAIRS, CPU))
    assert loss.item() / len(PAIRS) == pytest.approx(math.log(2), rel=EXACT)
    assert found["margin"].item() == pytest.approx(0, abs=EXACT) and made.settings.beta == 0.3


def _made() -> Any:
    class Made:
        device, micro_batch = CPU, 0

    return Made()


# -- that they learn --


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_better_answer_wins(tmp_path: Path, name: str) -> None:
    made = training(tmp_path, name, steps=60, rate=0.01)
    run(made)
    found = made.objective.loss(made.model.eval(), pair_batch(PAIRS[:5], CPU))[1]
    assert found["accuracy"].item() == 5 and found["margin"].item() > 0


def test_the_reward_report_has_a_length_only_twin() -> None:
    found = reward_objective(_made()).evaluate(ScoredGPT(SHAPE))
    assert found.accuracy == 0  # everything scores 0: nothing is preferred
    assert found.kinds.keys() == {"a", "b"}
    for kind in found.kinds.values():
        assert kind.pairs > 0 and 0 <= kind.longer["accuracy"] <= 1
    assert found.kinds["b"].longer["accuracy"] == 0 and found.kinds["a"].longer["accuracy"] == 1


# -- stopped, and on two processes --


@pytest.mark.parametrize("name", OBJECTIVES)
def test_resume_at_every_step_is_bit_identical(tmp_path: Path, name: str) -> None:
    run(training(tmp_path / "whole", name))
    for step in range(1, STEPS):
        folder = tmp_path / f"stopped-{step}"
        run(training(folder, name), stop_after=step)
        run(training(folder, name))
        assert_same_run(folder, tmp_path / "whole")


def work(rank: int, folder: Path) -> None:
    for strategy in ("ddp", "fsdp"):
        for name in OBJECTIVES:
            world = world_of_two(rank, strategy)
            made = training(folder / strategy / name, name, rate=GENTLE, optimizer="adamw", world=world)
            gradients = record_gradients(made)
            run(made)
            if rank == 0:
                torch.save(gradients, folder / strategy / name / "gradients.pt")


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    start_two(work, folder)
    return folder


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_ranks_train_what_one_does(two_ranks: Path, tmp_path: Path, strategy: str, name: str) -> None:
    # Muon scales every matrix up to the same size, also one that is all but 0, rounding included: not the matter here.
    made = training(tmp_path / "one", name, rate=GENTLE, optimizer="adamw")
    gradients = record_gradients(made)
    run(made)
    found = torch.load(two_ranks / strategy / name / "gradients.pt")
    assert len(found) == len(gradients) == STEPS
    for one, two in zip(gradients, found, strict=True):
        assert_close(one, two, 1e-5)
    assert_close(tensors(tmp_path / "one"), tensors(two_ranks / strategy / name), 1e-5)
