"""A run that is stopped anywhere and taken up again ends in the same bytes as one that never stopped."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from train_helpers import (
    IDENTITY,
    assert_same_bits,
    assert_same_run,
    batches,
    metrics,
    model_settings,
    of_kind,
    progress,
    run,
    tensors,
    trainer,
)

from modou import storage
from modou.messages import UserError
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.logs import read_log
from modou.train.events import Ended, Started, Stepped

STEPS = 8
# Dropout, three micro-batches a step (the last one smaller), and an epoch that ends inside a batch.
HARD: dict[str, Any] = {"steps": STEPS, "batch": 20, "micro_batch": 8, "evaluate_every": 3}
KINDS = [
    pytest.param("modern", "muon", id="modern-muon"),
    pytest.param("learned", "adamw", id="learned-adamw"),
]


def hard(folder: Path, layout: str = "modern", name: str = "muon", **train: Any) -> Any:
    rates = {"name": name, "matrix_lr": 0.02 if name == "muon" else 0.003}
    return trainer(folder, model=model_settings(layout, dropout=0.1), train=HARD | train, optimizer=rates)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    run(hard(folder))
    return folder


def test_the_hard_case_crosses_an_epoch() -> None:
    assert batches(16, HARD["batch"]).chunks_per_epoch / HARD["batch"] < STEPS - 2


@pytest.mark.parametrize(("layout", "name"), KINDS)
def test_resume_at_every_step_is_bit_identical(tmp_path: Path, layout: str, name: str) -> None:
    whole = tmp_path / "unstopped"
    run(hard(whole, layout, name))
    assert {name.split("/")[0] for name in tensors(whole)} == {"model", "optimizer", "average"}
    for step in range(1, STEPS):
        folder = tmp_path / f"stopped-{step}"
        first = run(hard(folder, layout, name), stop_after=step)
        assert first[-1].step == step and first[-1].reason == "interrupted"
        second = run(hard(folder, layout, name))
        assert of_kind(second, Started) == [Started(step, STEPS)]
        assert second[-1].reason == "finished"
        assert_same_run(folder, whole)


def test_a_stop_after_every_step_is_bit_identical(tmp_path: Path, whole: Path) -> None:
    sittings = 0
    while run(hard(tmp_path / "sittings"), stop_after=1)[-1].reason == "interrupted":
        sittings += 1
    assert sittings == STEPS - 1
    assert_same_run(tmp_path / "sittings", whole)


def test_two_runs_write_the_same_bytes(tmp_path: Path, whole: Path) -> None:
    run(hard(tmp_path))
    assert_same_run(tmp_path, whole)
    for file in ("model.safetensors", "optimizer.safetensors", "average.safetensors"):
        one, two = (folder / "checkpoints" / f"step-{STEPS:08d}" / file for folder in (tmp_path, whole))
        assert storage.sha256_file(one) == storage.sha256_file(two)


def test_another_seed_gives_another_run(tmp_path: Path) -> None:
    for seed in (1, 2):
        run(hard(tmp_path / str(seed), seed=seed, steps=2))
    one, two = tensors(tmp_path / "1"), tensors(tmp_path / "2")
    assert not torch.equal(one["model/embedding.weight"], two["model/embedding.weight"])


def test_a_finished_run_is_not_trained_again(whole: Path) -> None:
    before = tensors(whole)
    events = run(hard(whole))
    assert [type(event) for event in events] == [Started, Ended]
    assert events[-1].reason == "finished"
    assert_same_bits(tensors(whole), before)


def test_lines_after_the_last_checkpoint_are_written_once(tmp_path: Path, whole: Path) -> None:
    """What a kill leaves: metrics and samples of steps whose checkpoint never came, the last line torn."""
    folder = tmp_path / "killed"
    run(hard(folder))
    for step in (6, 8):
        shutil.rmtree(folder / "checkpoints" / f"step-{step:08d}")
    assert not checkpoints.steps(folder / "checkpoints")
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"kind": "step", "step": 9, "sec')
    run(hard(folder))
    assert_same_run(folder, whole)
    steps = [line["step"] for line in metrics(folder) if line["kind"] == "step"]
    assert steps == list(range(1, STEPS + 1))


def test_a_kill_between_checkpoint_and_best_is_made_good(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "killed"
    for event in hard(folder).run():
        if isinstance(event, Stepped) and event.step == 7:
            break
    assert progress(folder)["best_step"] == 6, "the case needs a run that improves"
    for name in ("best", "latest"):
        (folder / "checkpoints" / name).write_text("step-00000003\n", encoding="utf-8")
    run(hard(folder))
    assert_same_run(folder, whole)


def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "damaged"
    run(hard(folder), stop_after=7)
    newest = folder / "checkpoints" / "step-00000007" / "optimizer.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    events = run(hard(folder))
    assert events[0].step == 6 and len(events[0].problems) == 1 and "optimizer.safetensors" in events[0].problems[0]
    assert_same_run(folder, whole)


def test_a_damaged_log_is_told_and_its_whole_lines_stay(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "damaged"
    run(hard(folder), stop_after=7)
    logged = folder / "metrics.jsonl"
    lines = logged.read_bytes().splitlines(keepends=True)
    logged.write_bytes(b"".join([lines[0].replace(b'"step": 1', b'"step": 7'), *lines[1:]]))
    events = run(hard(folder))
    assert events[0].step == 7 and len(events[0].problems) == 1 and "metrics.jsonl" in events[0].problems[0]
    assert metrics(folder) == metrics(whole)[1:]
    assert_same_bits(tensors(folder), tensors(whole))
    assert read_log(RunFolder(folder), "metrics.jsonl")[1] is None, "told once, and vouched for anew"


@pytest.mark.parametrize("group", ["model", "optimizer", "average"])
def test_tensors_of_another_training_are_refused(tmp_path: Path, group: str) -> None:
    run(trainer(tmp_path), stop_after=1)
    groups, state = checkpoints.load(tmp_path / "checkpoints" / "step-00000001")
    name = next(iter(groups[group]))
    for changed in ({name: torch.zeros(3)}, {}, {f"other.{name}": groups[group][name]}):
        shutil.rmtree(tmp_path / "checkpoints")
        checkpoints.save(tmp_path / "checkpoints", 1, groups | {group: changed}, state)
        if group == "optimizer" and not changed:
            continue  # no state at all is that of a training that has made no step
        with pytest.raises(UserError, match=f"is damaged: {group}.safetensors does not have the expected form"):
            run(trainer(tmp_path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [("corpus_sha256", "was trained on another text"), ("tokenizer_sha256", "was trained with another tokenizer")],
)
def test_another_corpus_or_tokenizer_is_refused(tmp_path: Path, changed: str, message: str) -> None:
    run(trainer(tmp_path), stop_after=1)
    with pytest.raises(UserError, match=message):
        run(trainer(tmp_path, identity=IDENTITY | {changed: "0" * 64}))
    assert run(trainer(tmp_path))[-1].reason == "finished"


def test_another_format_is_refused(tmp_path: Path) -> None:
    run(trainer(tmp_path), stop_after=1)
    groups, state = checkpoints.load(tmp_path / "checkpoints" / "step-00000001")
    checkpoints.save(tmp_path / "checkpoints", 2, groups, state | {"format": 99})
    with pytest.raises(UserError, match="written by another version \\(format 99\\)"):
        run(trainer(tmp_path))


def test_the_first_signal_finishes_the_step_and_saves(tmp_path: Path) -> None:
    events = run(hard(tmp_path), stop_after=2)
    assert [event.step for event in of_kind(events, Stepped)] == [1, 2]
    assert 2 in checkpoints.steps(tmp_path / "checkpoints")
    assert events[-1] == Ended(2, events[-1].seconds, "interrupted")
