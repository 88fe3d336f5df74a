"""KTO: its reference point, that it learns, resumed to the bit, two ranks as one."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rank_helpers import record_gradients, start_two, world_of_two
from train_helpers import (
    CPU,
    DOES,
    WHAT,
    WHO,
    assert_close,
    assert_same_run,
    metrics,
    model_settings,
    run,
    tensors,
    tokenizer,
    trainer,
)

from modou.data.conversation import Message, Template
from modou.data.examples import Judged
from modou.data.pairs import encode_answer
from modou.methods.kto import Kto, answer_log_probabilities, answer_scores, distances, judged_batch, mismatched
from modou.methods.pretrain import Pretrain
from modou.model.gpt import GPT
from modou.settings.methods import KtoSettings
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.train.loop import Trainer
from modou.train.parallel import World

CONTEXT, STEPS, BATCH = 96, 5, 5
SHAPE = model_settings(context=CONTEXT)
TEMPLATE = Template(tokenizer())
QUESTIONS = [(Message("user", f"{who}？"),) for who in WHO]
# What is desirable ends in the same words; some questions have an answer of one kind only.
JUDGED = [
    Judged(encode_answer(TEMPLATE, question, answer), desirable)
    for n, (question, does, what) in enumerate(zip(QUESTIONS, DOES, WHAT, strict=True))
    for answer, desirable in ((f"{does}{what}。", True), (f"{what}{does}{what}" if n % 2 else does, False))
    if n % 3 or desirable
]


def model_of(seed: int) -> GPT:
    torch.manual_seed(seed)
    return GPT(SHAPE).eval()


def objective(world: World = CPU, micro_batch: int = 0, **changes: Any) -> Kto:
    values: dict[str, Any] = {
        "answers": JUDGED[:7],
        "held_out": JUDGED[5:],
        "prompts": QUESTIONS[:2],
        "reference": model_of(5).requires_grad_(False),
        "template": TEMPLATE,
        "sampling": SamplingSettings(tokens=4, seed=2),
        "settings": KtoSettings(beta=0.3, undesirable_weight=1.5),
        "batch": BATCH,
        "seed": 4,
    }
    return Kto(**values | changes, world=world, micro_batch=micro_batch)


def from_reference(shape: ModelSettings) -> GPT:
    model = GPT(shape)
    model.load_state_dict(model_of(5).state_dict())
    return model


def training(
    folder: Path, steps: int = STEPS, rate: float = 0.005, world: World = CPU, optimizer: str = "muon", **own: Any
) -> Trainer:
    def change(made: Pretrain) -> Any:
        return objective(world, made.micro_batch, **own)

    return trainer(
        folder,
        model=SHAPE,
        train={"steps": steps, "batch": BATCH, "micro_batch": 2, "evaluate_every": max(2, steps // 3)},
        optimizer={"name": optimizer, "matrix_lr": rate, "embedding_lr": rate, "norm_lr": rate, "clip": 0},
        change=change,
        make=from_reference,
        world=world,
    )


# -- the reference point --


def test_a_question_gets_the_answer_to_another_one() -> None:
    encoded = [one.encoded for one in JUDGED]
    crossed = mismatched(encoded, CONTEXT)
    assert len(crossed) == len(encoded)
    pairs = [
        (n, m)
        for n, one in enumerate(crossed)
        for m, other in enumerate(encoded)
        if one == encode_answer(TEMPLATE, _question(n), _answer(m)) and _question(n) != _question(m) and other != one
    ]
    assert {n for n, _ in pairs} == set(range(len(encoded))) and len({m for _, m in pairs}) > len(encoded) // 2
    room = min(len(one) for one in encoded)
    assert all(len(one) <= room for one in mismatched(encoded, room)) and len(mismatched(encoded, room)) < len(encoded)
    assert mismatched(encoded[:1], CONTEXT) == [] and mismatched([encoded[1]] * 3, CONTEXT) == []


@given(st.lists(st.integers(0, 2), max_size=12))
def test_the_next_other_question_is_found_round_the_end(items: list[int]) -> None:
    count = len(items)
    steps = [[n for n in range(1, count) if items[(place + n) % count] != items[place]] for place in range(count)]
    assert distances(items) == [min(some, default=count) for some in steps]


def _question(n: int) -> tuple[Message, ...]:
    ids = JUDGED[n].encoded.ids
    return next(q for q in QUESTIONS if TEMPLATE.prompt(q) == ids[: len(TEMPLATE.prompt(q))])


def _answer(n: int) -> str:
    one = JUDGED[n].encoded
    return TEMPLATE.answer([id for id, trained in zip(one.ids, one.trained, strict=True) if trained])


def test_the_reference_point_by_hand_is_that_of_the_whole_batch() -> None:
    model = model_of(6)
    found = {}
    for micro_batch in (0, 1, 3):
        made = objective(micro_batch=micro_batch)
        made.prepare(model, 1)
        found[micro_batch] = made.z0
        assert made.z0 == made.reference_point(model, made.step_answers(1), CPU)
    gained = []
    for one in mismatched([one.encoded for one in objective().step_answers(1)], CONTEXT):
        for network, sign in ((model, 1), (model_of(5), -1)):
            with torch.no_grad():
                log = network(torch.tensor([one.ids])).double().log_softmax(-1)[0]
            places = [place for place, trained in enumerate(one.trained) if trained]
            gained.append(sign * sum(log[place - 1, one.ids[place]].item() for place in places))
    mean = sum(gained) / BATCH
    assert len(set(found.values())) == 1 and found[0] == pytest.approx(max(0.0, mean), abs=1e-4)


def test_a_model_that_has_grown_likelier_everywhere_has_a_higher_point_and_never_a_negative_one() -> None:
    made, model, other = objective(), model_of(5), model_of(6)
    made.prepare(model, 0)
    assert made.z0 == 0, "the reference itself"
    forth = objective(reference=other).reference_point(model, JUDGED, CPU)
    back = objective(reference=model).reference_point(other, JUDGED, CPU)
    assert min(forth, back) == 0 < max(forth, back)


def test_accumulation_changes_neither_the_loss_nor_its_gradient() -> None:
    sums = []
    for micro_batch in (0, 1, 2):
        model = model_of(6)
        made = objective(micro_batch=micro_batch)
        made.z0 = 0.7
        batches = made.micro_batches(0, 0, 1)
        assert sum(batch.count for batch in batches) == BATCH
        loss = torch.stack([made.loss(model, batch)[0] for batch in batches]).sum()
        loss.backward()
        gradient = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        sums.append((loss.item(), gradient))
    for loss, gradient in sums[1:]:
        assert loss == pytest.approx(sums[0][0], abs=1e-5)
        assert_close(gradient, sums[0][1], 1e-5)


# -- the loss --


def test_the_loss_of_a_batch_by_hand() -> None:
    model, made = model_of(6), objective()
    made.z0 = 0.7
    (batch,) = made.micro_batches(2, 0, 1)
    loss, found = made.loss(model, batch)
    expected, right = 0.0, 0
    for one in made.step_answers(2):
        gained = (answer_scores(model, [one.encoded]) - answer_scores(made.reference, [one.encoded])).item() - 0.7
        gained = gained if one.desirable else -gained
        expected += (1.0 if one.desirable else 1.5) * (1 - 1 / (1 + math.exp(-0.3 * gained)))
        right += gained > 0
    assert loss.item() == pytest.approx(expected, abs=1e-4)
    assert found["accuracy"].item() == right and found["z0"].item() == pytest.approx(0.7 * BATCH)


def test_it_begins_undecided() -> None:
    made = objective()
    model = from_reference(SHAPE).eval()
    made.prepare(model, 0)
    found = made.evaluate(model)
    weights = [1.0 if one.desirable else 1.5 for one in JUDGED[5:]]
    assert found.loss == pytest.approx(sum(weights) / len(weights) / 2, abs=1e-6)
    assert found.accuracy == found.z0 == found.reward_desirable == found.reward_undesirable == 0
    only = objective(held_out=[one for one in JUDGED if one.desirable]).evaluate(model)
    assert only.reward_desirable == 0 and only.reward_undesirable is None


def test_a_process_without_an_answer_adds_nothing() -> None:
    model, made = model_of(6), objective()
    loss, found = made.loss(model, judged_batch([], torch.device("cpu")))
    loss.backward()
    assert loss.item() == 0 and not any(value.any() for value in found.values())
    assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)
    both = judged_batch(JUDGED[:3], torch.device("cpu"))
    together = answer_log_probabilities(model, both)
    alone = [answer_log_probabilities(model, judged_batch([one], torch.device("cpu"))) for one in JUDGED[:3]]
    torch.testing.assert_close(together, torch.cat(alone))


def test_desirable_answers_become_likelier_than_undesirable_ones(tmp_path: Path) -> None:
    made = training(tmp_path, steps=60, rate=0.01, held_out=JUDGED[:7])
    before = made.objective.evaluate(made.model)
    run(made)
    found = made.objective.evaluate(made.model)
    assert before.accuracy == 0 and found.accuracy > 0.8
    assert found.reward_desirable is not None and found.reward_undesirable is not None
    assert found.reward_desirable > 0 > found.reward_undesirable and found.loss < before.loss


# -- stopped, and on two processes --


def test_resume_at_every_step_is_bit_identical(tmp_path: Path) -> None:
    run(training(tmp_path / "whole"))
    points = [line["metrics"]["z0"] for line in metrics(tmp_path / "whole") if line["kind"] == "step"]
    assert len(points) == STEPS and max(points) > 0
    for step in range(1, STEPS):
        folder = tmp_path / f"stopped-{step}"
        run(training(folder), stop_after=step)
        run(training(folder))
        assert_same_run(folder, tmp_path / "whole")


GENTLE = 0.002
"""AdamW makes whole steps of what is hardly a gradient but rounding: let them be small."""


def work(rank: int, folder: Path) -> None:
    for strategy in ("ddp", "fsdp"):
        made = training(folder / strategy, rate=GENTLE, optimizer="adamw", world=world_of_two(rank, strategy))
        gradients = record_gradients(made)
        run(made)
        if rank == 0:
            torch.save(gradients, folder / strategy / "gradients.pt")


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    start_two(work, folder)
    return folder


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_ranks_train_what_one_does_from_one_reference_point(two_ranks: Path, tmp_path: Path, strategy: str) -> None:
    made = training(tmp_path / "one", rate=GENTLE, optimizer="adamw")
    gradients = record_gradients(made)
    run(made)
    found = torch.load(two_ranks / strategy / "gradients.pt")
    assert len(found) == len(gradients) == STEPS
    for one, two in zip(gradients, found, strict=True):
        assert_close(one, two, 1e-5)
    assert_close(tensors(tmp_path / "one"), tensors(two_ranks / strategy), 1e-5)
    points = [
        [line["metrics"]["z0"] for line in metrics(folder) if line["kind"] == "step"]
        for folder in (tmp_path / "one", two_ranks / strategy)
    ]
    assert max(points[0]) > 0 and points[1] == pytest.approx(points[0], abs=1e-4)
