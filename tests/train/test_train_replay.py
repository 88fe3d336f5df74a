"""The base's text read along: the price of leaving it by hand, on two processes as on one, and less is forgotten."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import EXACT
from rank_helpers import record_gradients, start_two, world_of_two
from train_helpers import (
    CPU,
    assert_close,
    assert_same_run,
    batches,
    model_settings,
    of_kind,
    run,
    sentences,
    tensors,
    tokenizer,
    trainer,
)

from modou.data.packing import Documents, Packing
from modou.data.shards import IGNORE, write_shards
from modou.model.gpt import GPT
from modou.model.scoring import divergences
from modou.settings.methods import ReplaySettings
from modou.train.events import Stepped
from modou.train.loop import Trainer
from modou.train.parallel import World
from modou.train.replay import BaseKLRegularizer, TextBatch

ROWS = 3
"""Of text beside each update: two processes cannot share them evenly."""


def base(seed: int = 7) -> GPT:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return GPT(model_settings(width=16)).eval().requires_grad_(False)


def training(folder: Path, weight: float = 1.0, rows: int = ROWS, world: World = CPU, **train: Any) -> Trainer:
    """Pretraining stands for any method; the base is another model."""
    return trainer(
        folder,
        model=model_settings(dropout=0.0),
        train={"steps": 4, "batch": 5, "micro_batch": 2, "evaluate_every": 2} | train,
        optimizer={"name": "adamw", "matrix_lr": 0.003, "clip": 0},
        world=world,
        change=lambda made: BaseKLRegularizer(
            made, batches(16, rows), base().to(world.device), ReplaySettings(rows=rows, weight=weight), world
        ),
    )


@pytest.mark.usefixtures("float64")
def test_the_price_by_hand(tmp_path: Path) -> None:
    made = training(tmp_path, weight=2.5)
    step = of_kind(list(made.run(lambda: True)), Stepped)[0]
    model = training(tmp_path / "new").model.eval()
    inputs_BT, targets_BT = (torch.from_numpy(array) for array in batches(16, ROWS).rows(0))
    with torch.no_grad():
        log_base, log_new = (one(inputs_BT).log_softmax(-1) for one in (base(), model))
        kl_BT = (log_base.exp() * (log_base - log_new)).sum(-1)
        expected = kl_BT[targets_BT != IGNORE].mean().item()
        own = [made.objective.own.loss(model, batch)[0] for batch in made.objective.own.micro_batches(0, 0, 1)]
        count = sum(batch.count for batch in made.objective.own.micro_batches(0, 0, 1))
    assert step.metrics["replay_kl"] == pytest.approx(expected, rel=EXACT)
    assert step.metrics["loss"] == pytest.approx(float(sum(own)) / count + 2.5 * expected, rel=EXACT)
    assert step.tokens == count, "the method's own tokens alone"


@pytest.mark.usefixtures("float64")
def test_documents_kept_apart_are_replayed_apart(tmp_path: Path) -> None:
    """The price of a row of several documents is that of each by itself."""
    texts = [sentences(1, seed)[:4] for seed in range(12)]
    documents = Documents(write_shards(texts, tokenizer(), tmp_path, workers=1), 16)
    made = replace(training(tmp_path).objective, text=Packing(documents, 16, ROWS, packed=True, seed=1))
    (batch,) = [one for one in made.micro_batches(0, 0, 1) if isinstance(one, TextBatch)]
    model, left = training(tmp_path / "new").model.eval(), base()
    read = [torch.tensor([one.ids[:-1]]) for row in made.text.rows(0, 0, 1) for one in row]
    assert len(read) > ROWS, "several in a row"
    with torch.no_grad():
        found = made.loss(model, batch)[0].item()
        expected = sum(divergences(left(ids_1T)[0], model(ids_1T)[0]).sum().item() for ids_1T in read)
    assert found == pytest.approx(batch.share * expected, rel=1e-6)  # a float32 table of positions


@pytest.mark.usefixtures("float64")
def test_where_nothing_was_forgotten_there_is_no_gradient(tmp_path: Path) -> None:
    made = training(tmp_path)
    model = base().train().requires_grad_(True)
    text = made.objective.micro_batches(0, 0, 1)[-1]
    loss, _ = made.objective.loss(model, text)
    loss.backward()
    assert abs(loss.item()) < EXACT
    assert all(p.grad.abs().max() < EXACT for p in model.parameters() if p.grad is not None)


def test_less_is_forgotten(tmp_path: Path) -> None:
    """The dearer the distance, the nearer the model stays while it learns something else."""
    found: list[float] = []
    for weight in (0.0, 1.0, 10.0):
        made = training(tmp_path / str(weight), weight, steps=30, evaluate_every=30)
        made.model.load_state_dict(base().state_dict())
        run(made)
        found.append(made.objective.loss(made.model, made.objective.micro_batches(99, 0, 1)[-1])[1]["replay_kl"].item())
    assert found[2] < found[1] < found[0]


def test_resume_is_bit_identical(tmp_path: Path) -> None:
    run(training(tmp_path / "whole"))
    run(training(tmp_path / "stopped"), stop_after=3)
    run(training(tmp_path / "stopped"))
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")


def work(rank: int, folder: Path) -> None:
    for strategy in ("ddp", "fsdp"):
        for rows in (1, ROWS):  # of one row, one process has nothing but padding
            made = training(folder / f"{strategy}-{rows}", rows=rows, world=world_of_two(rank, strategy))
            gradients = record_gradients(made)
            run(made)
            if rank == 0:
                torch.save(gradients, folder / f"{strategy}-{rows}" / "gradients.pt")


def test_two_ranks_train_what_one_does(tmp_path: Path) -> None:
    start_two(work, tmp_path)
    for rows in (1, ROWS):
        made = training(tmp_path / f"one-{rows}", rows=rows)
        gradients = record_gradients(made)
        run(made)
        for strategy in ("ddp", "fsdp"):
            found = torch.load(tmp_path / f"{strategy}-{rows}" / "gradients.pt")
            for one, two in zip(gradients, found, strict=True):
                assert_close(one, two, 1e-5)
            assert_close(tensors(tmp_path / f"one-{rows}"), tensors(tmp_path / f"{strategy}-{rows}"), 1e-5)
