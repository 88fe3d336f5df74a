"""A leap of the loss is told while it happens, once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from train_helpers import of_kind, run, trainer

from modou.train.events import Notice, Stepped
from modou.train.leap import Leap


def leaps(losses: list[float]) -> list[int]:
    leap = Leap()
    return [place for place, loss in enumerate(losses) if leap.take(loss) is not None]


def test_a_leap_is_told_once_with_what_was_usual() -> None:
    leap = Leap()
    assert [leap.take(loss) for loss in (6.0, 6.0, 958.0, 2000.0, 6.0, 958.0)] == [None, None, 6.0, None, None, None]


@pytest.mark.parametrize(
    "losses", [[8.0, 7.0, 9.5, 4.0, 6.0], [0.01, 0.3, 0.02, 1.9], [-2.0, 0.5, -1.0], [700.0, 300.0, 500.0, 80.0]]
)
def test_the_ups_and_downs_of_training_are_no_leap(losses: list[float]) -> None:
    assert leaps(losses) == []


@given(st.lists(st.floats(0.5, 12), min_size=1, max_size=30), st.floats(100, 1e30))
def test_what_is_far_above_all_before_is_a_leap(usual: list[float], far: float) -> None:
    assert len(usual) in leaps([*usual, far]) or leaps(usual)


def test_the_loop_tells_it_and_goes_on(tmp_path: Path) -> None:
    rates = {"matrix_lr": 10.0, "embedding_lr": 10.0, "norm_lr": 10.0, "clip": 0.0}
    found = run(trainer(tmp_path / "wild", optimizer=rates, train={"steps": 8}))
    (notice,) = of_kind(found, Notice)
    losses = [event.metrics["loss"] for event in of_kind(found, Stepped)]
    step = found[found.index(notice) - 1].step  # pyright: ignore[reportAttributeAccessIssue]
    assert notice.level == "warning" and f"step {step}:" in notice.text and "--optimizer.matrix_lr" in notice.text
    assert losses[step - 1] > 3 * losses[0] and len(losses) == 8
    assert not of_kind(run(trainer(tmp_path / "calm", train={"steps": 8})), Notice)
