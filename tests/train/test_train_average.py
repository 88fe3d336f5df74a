"""The running average against its formula; the schedule's shape; the counters."""

import itertools
import math
from pathlib import Path

import pytest
import torch
from closeness import assert_close_sums
from hypothesis import given
from hypothesis import strategies as st
from model_helpers import SHAPES, random_model
from train_helpers import of_kind, run, tensors, trainer

from modou.model.lora import AdaptedGPT, Adapters
from modou.runs.progress import Progress
from modou.settings.train import ScheduleSettings
from modou.train.average import WeightAverage
from modou.train.events import Stepped
from modou.train.optim import learning_rate_share

# -- the average -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 1.0])
def test_the_average_is_the_weighted_sum_its_formula_says(share: float) -> None:
    """Weight of step s among n: (1 / w_s) x product over later steps of (1 - 1 / w), w = max(1, share x step)."""
    model = random_model(SHAPES["modern"])
    average = WeightAverage(model, share)
    seen: list[torch.Tensor] = []
    generator = torch.Generator().manual_seed(1)
    for step in range(1, 31):
        with torch.no_grad():
            model.embedding.weight.copy_(torch.randn(model.embedding.weight.shape, generator=generator))
        seen.append(model.embedding.weight.detach().double().clone())
        average.update(step)
    windows = [max(1.0, share * step) for step in range(1, 31)]
    weights = [1 / windows[s] * math.prod(1 - 1 / w for w in windows[s + 1 :]) for s in range(30)]
    assert sum(weights) == pytest.approx(1), "the first weights, drawn at random, are forgotten"
    expected = torch.stack([weight * tensor for weight, tensor in zip(weights, seen, strict=True)]).sum(0)
    assert_close_sums(average.tensors["embedding.weight"].double(), expected)


def test_in_place_lends_the_average_and_gives_the_weights_back_exactly() -> None:
    model = random_model(SHAPES["learned"])
    average = WeightAverage(model, 0.5)
    own = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for tensor in average.tensors.values():
        tensor.add_(1 / 3)
    kept = {name: tensor.clone() for name, tensor in average.tensors.items()}
    with pytest.raises(KeyError), average.in_place():
        assert all(torch.equal(p, kept[name]) for name, p in model.named_parameters())
        raise KeyError
    assert all(torch.equal(p, own[name]) for name, p in model.named_parameters())
    assert all(torch.equal(tensor, kept[name]) for name, tensor in average.tensors.items())


def test_frozen_weights_are_their_own_average_and_take_no_memory() -> None:
    model = AdaptedGPT(SHAPES["llama"], Adapters(2, 4.0))
    average = WeightAverage(model, 0.5)
    own = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for step in range(1, 5):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(float(parameter.requires_grad))
        average.update(step)
    for name, parameter in model.named_parameters():
        tensor = average.tensors[name]
        assert (tensor.data_ptr() == parameter.data_ptr()) != parameter.requires_grad
        assert torch.equal(tensor, own[name]) != parameter.requires_grad
    with average.in_place():
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, own[name]) != parameter.requires_grad
    assert all(torch.allclose(p, own[name] + 4) for name, p in model.named_parameters() if p.requires_grad)


def test_the_loop_averages_what_it_trains(tmp_path: Path) -> None:
    made = trainer(tmp_path, train={"average": 0.5, "steps": 6})
    expected = made.model.embedding.weight.detach().clone()
    for event in made.run():
        if isinstance(event, Stepped):
            expected.lerp_(made.model.embedding.weight.detach(), 1 / max(1.0, 0.5 * event.step))
    assert torch.equal(tensors(tmp_path)["average/embedding.weight"], expected)


def test_without_an_average_none_is_kept(tmp_path: Path) -> None:
    run(trainer(tmp_path, train={"average": 0.0}))
    assert not [name for name in tensors(tmp_path) if name.startswith("average/")]


# -- the schedule ----------------------------------------------------------------------------------------------------


def shape(steps: int, **values: float) -> list[float]:
    settings = ScheduleSettings(**{"warmup": 0.0, "cooldown": 0.0} | values)
    return [learning_rate_share(step, steps, settings) for step in range(steps)]


def test_shapes_by_hand() -> None:
    assert shape(4) == [1, 1, 1, 1]
    assert shape(10, warmup=0.4) == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1])
    assert shape(10, cooldown=0.4) == pytest.approx([1, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25])
    assert shape(1, warmup=1.0, cooldown=1.0) == [1.0]


shares = st.floats(0, 1)


@given(st.integers(1, 2000), shares, shares)
def test_the_rate_goes_up_stays_and_comes_down(steps: int, warmup: float, cooldown: float) -> None:
    settings = ScheduleSettings(warmup=warmup, cooldown=cooldown)
    rates = [learning_rate_share(step, steps, settings) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates), "an update at rate 0 would be for nothing"
    warm, cool = round(warmup * steps), cooldown * steps
    if warm + cool <= steps:
        level = [rate for step, rate in enumerate(rates) if warm <= step + 1 and steps - step >= cool]
        assert all(rate == pytest.approx(1) for rate in level)
        rising, falling = rates[: max(warm, 1)], rates[math.floor(steps - cool) :]
        assert all(one < two for one, two in itertools.pairwise(rising))
        assert all(one >= two for one, two in itertools.pairwise(falling))


def test_the_loop_follows_the_schedule_in_every_group(tmp_path: Path) -> None:
    schedule = {"warmup": 0.5, "cooldown": 0.5}
    made = trainer(tmp_path, schedule=schedule, train={"steps": 6})
    events = []
    for event in made.run():
        events.append(event)
        if isinstance(event, Stepped):
            share = learning_rate_share(event.step - 1, 6, ScheduleSettings(**schedule))
            assert event.metrics["learning_rate"] == share
            for optimizer in made.optimizers:
                assert all(group["lr"] == group["peak_lr"] * share for group in optimizer.param_groups)
    assert len(of_kind(events, Stepped)) == 6


# -- counters --------------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.floats(0, 10), st.just(math.nan), st.just(math.inf)), max_size=20))
def test_the_best_is_the_first_smallest(values: list[float]) -> None:
    progress = Progress(planned=100, steps=100)
    noted: list[bool] = []
    for step, value in enumerate(values, 1):
        progress.step = step
        noted.append(progress.note(value, "model"))
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        assert progress.best == min(finite) and progress.best_step == values.index(min(finite)) + 1
        assert noted[progress.best_step - 1]
    else:
        assert progress.best is None and not any(noted)
    assert Progress.from_json(progress.to_json()) == progress
