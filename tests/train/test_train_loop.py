"""What the loop promises of one run: equal curves however a batch is cut, a stop before a broken update, the best kept,
shortening when late, longer runs."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import EXACT
from torch import Tensor
from train_helpers import (
    assert_close,
    assert_same_bits,
    assert_same_run,
    losses,
    metrics,
    model_settings,
    of_kind,
    progress,
    run,
    tensors,
    trainer,
)

from modou.data.shards import IGNORE
from modou.messages import UserError
from modou.methods.pretrain import Pretrain, PretrainFigures, TokenBatch
from modou.model.gpt import GPT
from modou.runs import checkpoints
from modou.settings.model import ModelSettings
from modou.train import loop
from modou.train.events import Ended, Evaluated, Rescheduled, Sampled, Started, Stepped


def in_float64(settings: ModelSettings) -> GPT:
    """A model whose sums are equal in any order."""
    return GPT(settings).double()


class Changed:
    """Pretraining with something changed; whatever a subclass does not say is the objective's."""

    def __init__(self, inner: Pretrain) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


# -- one curve however the batch is cut ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_any_micro_batch_gives_one_curve(tmp_path: Path, name: str) -> None:
    curves: dict[int, list[float]] = {}
    for micro in (0, 1, 5, 40):
        made = trainer(
            tmp_path / f"{name}-{micro}",
            train={"batch": 12, "micro_batch": micro, "steps": 4},
            optimizer={"name": name, "matrix_lr": 0.02 if name == "muon" else 0.003},
            make=in_float64,
        )
        run(made)
        curves[micro] = losses(tmp_path / f"{name}-{micro}")
    assert curves[0][-1] < curves[0][0] - 0.05, "it learns"
    for micro, curve in curves.items():
        assert curve == pytest.approx(curves[0], rel=EXACT), micro
    assert curves[40] == curves[0], "one pass is one pass"


class OneStepCut(Changed):
    """The same four rows with the same targets ignored, as one batch or each by itself."""

    keep = (16, 1, 0, 7)
    apart = False

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[TokenBatch]:
        (batch,) = self.inner.micro_batches(step, rank, world)
        target_BT = batch.target_BT.clone()
        for row, count in enumerate(self.keep):
            target_BT[row, count:] = IGNORE
        rows = [slice(row, row + 1) for row in range(len(self.keep))] if self.apart else [slice(None)]
        return [TokenBatch(batch.ids_BT[row], target_BT[row], int((target_BT[row] != IGNORE).sum())) for row in rows]


class OneStepApart(OneStepCut):
    apart = True


def test_unequal_counts_and_an_empty_micro_batch_are_weighted_by_their_targets(tmp_path: Path) -> None:
    run(trainer(tmp_path / "together", change=OneStepCut, make=in_float64))
    run(trainer(tmp_path / "apart", change=OneStepApart, make=in_float64))
    assert losses(tmp_path / "apart") == pytest.approx(losses(tmp_path / "together"), rel=EXACT)
    assert_close(tensors(tmp_path / "apart"), tensors(tmp_path / "together"), EXACT)


class NothingToLearn(OneStepCut):
    keep = (0, 0, 0, 0)


def test_a_step_without_any_target_learns_nothing(tmp_path: Path) -> None:
    made = trainer(tmp_path, change=NothingToLearn, optimizer={"weight_decay": 0.0}, train={"average": 0.0})
    before = {name: parameter.detach().clone() for name, parameter in made.model.named_parameters()}
    run(made)
    assert losses(tmp_path) == [0.0] * 6
    assert_same_bits({n: p.detach() for n, p in made.model.named_parameters()}, before)


# -- numbers that are none -------------------------------------------------------------------------------------------


class Poisoned(Changed):
    """The loss of step 5 (from 1) is multiplied by `value` on one way back only."""

    value = math.nan

    def loss(self, model: GPT, batch: TokenBatch) -> tuple[Tensor, dict[str, Tensor]]:
        nats, extra = self.inner.loss(model, batch)
        if self.step == 4:
            # 0 x weight leaves the loss as it is; its gradient reaches one tensor alone.
            weight = model.get_parameter("blocks.1.feed_forward.up.weight")
            nats = nats + (weight * 0.0).sum().clone()
            weight.register_hook(lambda gradient: gradient * self.value)
        return nats, extra

    def prepare(self, model: GPT, step: int) -> None:
        self.step = step


class Infinite(Poisoned):
    value = math.inf


@pytest.mark.parametrize("change", [Poisoned, Infinite])
def test_a_broken_gradient_stops_before_the_update_and_is_named(tmp_path: Path, change: Any) -> None:
    made = trainer(tmp_path, change=change)
    with pytest.raises(UserError) as raised:
        run(made)
    assert "step 5" in str(raised.value) and "(blocks.1.feed_forward.up.weight.grad)" in str(raised.value)
    assert all(bool(parameter.isfinite().all()) for parameter in made.model.parameters())
    # The last checkpoint is whole, and without the poison the run ends as if nothing had been.
    assert progress(tmp_path)["step"] == 3
    assert run(trainer(tmp_path))[-1].reason == "finished"
    run(trainer(tmp_path / "whole"))
    assert_same_run(tmp_path, tmp_path / "whole")


def test_a_broken_weight_stops_before_the_update_and_is_named(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    events = made.run()
    with pytest.raises(UserError) as raised:
        for event in events:
            if isinstance(event, Stepped) and event.step == 4:
                with torch.no_grad():
                    made.model.get_parameter("blocks.1.attention.out.weight")[3, 2] = math.nan
    assert "step 5" in str(raised.value) and "(blocks.1.attention.out.weight)" in str(raised.value)
    assert progress(tmp_path)["step"] == 3
    assert all(bool(tensor.isfinite().all()) for tensor in tensors(tmp_path).values())
    run(trainer(tmp_path))
    run(trainer(tmp_path / "whole"))
    assert_same_run(tmp_path, tmp_path / "whole")


class BrokenLoss(Changed):
    def loss(self, model: GPT, batch: TokenBatch) -> tuple[Tensor, dict[str, Tensor]]:
        nats, extra = self.inner.loss(model, batch)
        return nats + math.inf, extra


def test_a_broken_loss_with_whole_gradients_is_called_loss(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"step 1 is not finite \(loss\)"):
        run(trainer(tmp_path, change=BrokenLoss))


# -- the best --------------------------------------------------------------------------------------------------------


class Scripted(Changed):
    """Evaluations whose figures are given."""

    figures: tuple[float, ...] = (5.0, 4.0, 4.5, 4.2, 3.0, 3.5, 3.1, 3.2)

    def prepare(self, model: GPT, step: int) -> None:
        self.step = step

    def evaluate(self, model: GPT) -> PretrainFigures:
        return PretrainFigures(self.figures[self.step // 2])


SCRIPTED: dict[str, Any] = {"steps": 16, "evaluate_every": 2, "average": 0.0, "keep": 1}


def test_the_best_is_kept_beside_the_newest(tmp_path: Path) -> None:
    events = run(trainer(tmp_path, change=Scripted, train=SCRIPTED))
    assert [event.is_best for event in of_kind(events, Evaluated)] == [True, True] + [False] * 2 + [True] + [False] * 3
    assert checkpoints.steps(tmp_path / "checkpoints") == [10, 16]
    best = checkpoints.best(tmp_path / "checkpoints")
    assert best is not None and best.step == 10 and not best.problems
    assert progress(tmp_path)["best"] == 3.0


class NeverANumber(Changed):
    def evaluate(self, model: GPT) -> PretrainFigures:
        return PretrainFigures(math.nan)


def test_a_figure_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    events = run(trainer(tmp_path, change=NeverANumber))
    assert [event.is_best for event in of_kind(events, Evaluated)] == [False, False]
    assert not (tmp_path / "checkpoints" / "best").exists()


# -- shorter and longer ----------------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass only when somebody looks: twice a step."""

    def __init__(self, seconds_a_step: float) -> None:
        self.now, self.pace = 0.0, seconds_a_step

    def __call__(self) -> float:
        self.now += self.pace
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(1.0)
    monkeypatch.setattr(loop.time, "perf_counter", clock)
    return clock


def test_a_run_in_time_is_not_shortened(tmp_path: Path, clock: Clock) -> None:
    events = run(trainer(tmp_path, train={"steps": 12, "minutes": 12 / 60}))
    assert not of_kind(events, Rescheduled) and events[-1].step == 12


def test_a_late_run_is_shortened_and_still_cools_down(tmp_path: Path, clock: Clock) -> None:
    train = {"steps": 30, "evaluate_every": 3, "minutes": 10 / 60}
    events = run(trainer(tmp_path, train=train), stop_after=4)
    assert of_kind(events, Rescheduled) == [Rescheduled(30, 9)]
    state = checkpoints.read_state(tmp_path / "checkpoints" / "step-00000003")
    assert state["progress"]["steps"] == 9 and state["progress"]["planned"] == 30
    resumed = run(trainer(tmp_path, train=train))
    assert of_kind(resumed, Started)[0].steps == 9, "the new total is taken up, not the planned one"
    assert resumed[-1].step == 9 and not of_kind(resumed, Rescheduled)
    rates = [line["metrics"]["learning_rate"] for line in metrics(tmp_path) if line["kind"] == "step"]
    assert len(rates) == 9 and rates[-1] < 0.2 < rates[2]


def test_a_slow_spell_is_made_up_for(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow_at_first() -> float:
        clock.pace = 2.0 if clock.now < 16 else 1.0  # the clock is asked twice a step
        return clock()

    monkeypatch.setattr(loop.time, "perf_counter", slow_at_first)
    events = run(trainer(tmp_path, train={"steps": 24, "evaluate_every": 2, "minutes": 24 / 60}))
    changes = of_kind(events, Rescheduled)
    assert changes[0] == Rescheduled(24, 11) and changes[-1].after > 15
    assert events[-1].step == changes[-1].after and 20 < events[-1].seconds <= 24


def test_a_run_whose_time_is_over_before_an_evaluation_ends_with_one(tmp_path: Path, clock: Clock) -> None:
    events = run(trainer(tmp_path, train={"steps": 30, "minutes": 2 / 60}))
    assert of_kind(events, Rescheduled) == [Rescheduled(30, 2)] and len(of_kind(events, Evaluated)) == 1
    assert events[-1] == Ended(2, 2.0, "finished")
    assert run(trainer(tmp_path, train={"steps": 30, "minutes": 2 / 60}))[-1].step == 2


def test_a_finished_run_goes_on_with_more_steps_and_the_rate_goes_up_again(tmp_path: Path) -> None:
    run(trainer(tmp_path, train={"steps": 6}))
    first = losses(tmp_path)
    events = run(trainer(tmp_path, train={"steps": 18}))
    assert of_kind(events, Started)[0].step == 6 and of_kind(events, Started)[0].steps == 18
    assert events[-1].step == 18 and progress(tmp_path)["planned"] == 18
    assert losses(tmp_path)[:6] == first
    rates = [line["metrics"]["learning_rate"] for line in metrics(tmp_path) if line["kind"] == "step"]
    assert rates[6] == 1.0 > 0.5 > rates[5] and rates[-1] < 0.15


def test_constant_rate_extended_equals_one_long_run(tmp_path: Path) -> None:
    constant: dict[str, Any] = {"schedule": {"warmup": 0.0, "cooldown": 0.0}, "model": model_settings(dropout=0.1)}
    run(trainer(tmp_path / "long", train={"steps": 12}, **constant))
    run(trainer(tmp_path / "extended", train={"steps": 6}, **constant))
    run(trainer(tmp_path / "extended", train={"steps": 12}, **constant))
    assert_same_bits(tensors(tmp_path / "extended"), tensors(tmp_path / "long"))
    assert losses(tmp_path / "extended") == losses(tmp_path / "long")


# -- what a look at the model may not change -------------------------------------------------------------------------


def test_evaluations_change_nothing_in_training(tmp_path: Path) -> None:
    dropped = model_settings(dropout=0.2)
    for name, every in (("often", 1), ("seldom", 6)):
        run(trainer(tmp_path / name, model=dropped, train={"evaluate_every": every, "average": 0.3}))
    assert_same_bits(tensors(tmp_path / "often"), tensors(tmp_path / "seldom"))
    assert losses(tmp_path / "often") == losses(tmp_path / "seldom")


def test_evaluating_and_sampling_leave_mode_and_random_state(tmp_path: Path) -> None:
    made = trainer(tmp_path, model=model_settings(dropout=0.2))
    for training in (True, False):
        made.model.train(training)
        before = torch.get_rng_state()
        first = made.objective.evaluate(made.model), made.objective.sample(made.model)
        assert made.model.training is training
        assert torch.equal(torch.get_rng_state(), before)
        assert (made.objective.evaluate(made.model), made.objective.sample(made.model)) == first


def test_every_line_is_plain_json(tmp_path: Path) -> None:
    run(trainer(tmp_path))
    for name in ("metrics.jsonl", "samples.jsonl"):
        lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
        assert lines and all(json.loads(line, parse_constant=pytest.fail)["step"] for line in lines)


def test_a_first_sample_comes_early_in_a_long_stretch(tmp_path: Path) -> None:
    events = run(trainer(tmp_path, train={"steps": 32, "evaluate_every": 16}))
    assert [event.step for event in of_kind(events, Sampled)] == [2, 16, 32]
    assert [event.step for event in of_kind(events, Evaluated)] == [16, 32]
