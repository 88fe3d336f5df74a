"""A run's curve in other people's viewers: real ones, offline."""

from pathlib import Path
from typing import Any

import pytest
from train_helpers import run, trainer

from modou.messages import UserError
from modou.train import tracking
from modou.train.events import Event, Sampled
from modou.train.tracking import require, tracked

STEPS = 6


def told(path: Path, tracker: Any, stop_after: int | None = None) -> list[Event]:
    events = iter(run(trainer(path, train={"steps": STEPS}), stop_after=stop_after))
    return list(tracked(events, tracker, path / "tracking", "a bean", {"train": {"steps": STEPS}}))


def test_without_a_tracker_nothing_is_made(tmp_path: Path) -> None:
    assert told(tmp_path, "none")
    assert not (tmp_path / "tracking").exists()


@pytest.mark.slow
def test_tensorboard_shows_each_step_once_even_after_a_stop(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs modou[track]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told(tmp_path, "tensorboard", stop_after=4)
    events = told(tmp_path, "tensorboard")
    accumulator = EventAccumulator(str(tmp_path / "tracking" / "tensorboard"))
    accumulator.Reload()
    tags = accumulator.Tags()
    assert [point.step for point in accumulator.Scalars("train/loss")] == list(range(1, STEPS + 1))
    assert "validation/bits_per_char" in tags["scalars"] and "average/validation/bits_per_char" in tags["scalars"]
    sampled = next(event for event in events if isinstance(event, Sampled))
    shown = accumulator.Tensors("sample/1/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert sampled.samples[0].prompt in shown


@pytest.mark.slow
@pytest.mark.parametrize(("tracker", "files"), [("wandb", "wandb/offline-run-*"), ("swanlab", "swanlab/*")])
def test_accounts_are_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: Any, files: str) -> None:
    pytest.importorskip(tracker, reason="needs modou[track]")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("SWANLAB_MODE", "offline")
    told(tmp_path, tracker, stop_after=4)
    identity = (tmp_path / "tracking" / "id").read_text(encoding="utf-8")
    told(tmp_path, tracker)
    assert (tmp_path / "tracking" / "id").read_text(encoding="utf-8") == identity, "a resumed run is the same run"
    assert list((tmp_path / "tracking").glob(files))


@pytest.mark.parametrize("tracker", ["tensorboard", "wandb", "swanlab"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tracker: Any) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(tracking, "import_module", missing)
    with pytest.raises(UserError) as error:
        require(tracker)
    assert "modou[track]" in str(error.value) and tracker in str(error.value)
    require("none")
