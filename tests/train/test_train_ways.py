"""The ways to compute a training step: all compute the same, the quickest that agrees is taken, and a choice lasts."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from train_helpers import assert_same_run, model_settings, of_kind, run, tensors, trainer

from modou.model.attention import attend, attend_by_products, attend_in_float32
from modou.model.gpt import GPT
from modou.model.products import has_bfloat16_products
from modou.settings.run import RunSettings
from modou.train import ways
from modou.train.events import Stepped
from modou.train.optim import Muon
from modou.train.ways import REFERENCE, TimedWay, Way, choose_way, opened, settled, time_ways, use_way, way_of

SMALL = RunSettings.parse(
    {
        "model": {"layers": 2, "width": 32, "heads": 2, "context": 32, "vocabulary": 200},
        "train": {"batch": 4, "device": "cpu"},
    }
)
EAGER = [Way(precision, kernel) for precision in ways.PRECISIONS for kernel in ("sdpa", "products")]
LONG = 10 * ways.WORTH_TIMING


def of_train(**values: object) -> RunSettings:
    return SMALL.with_values({"train": values})


def test_every_way_agrees_with_float32() -> None:
    timed = time_ways(SMALL, EAGER, seconds=0)
    assert [one.way for one in timed] == EAGER
    assert timed[0].ratio == 1 and timed[0].loss_difference == timed[0].gradient_difference == 0
    for one in timed:
        assert one.agrees, one
        assert one.ratio > 0
    exact = timed[1]
    assert exact.way == Way("float32", "products") and exact.gradient_difference < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # dynamo looks at it after a graph break
def test_compiled_agrees_too() -> None:
    if not ways.can_compile(torch.device("cpu")):
        pytest.skip("no C++ compiler")
    for one in time_ways(SMALL, [REFERENCE, *(replace(way, compile=True) for way in EAGER)], seconds=0):
        assert one.agrees, one


def timings(monkeypatch: pytest.MonkeyPatch, ratios: dict[Way, float], wrong: tuple[Way, ...] = ()) -> list[Way]:
    """Replaces the clock, not the choice. Returns the ways that were to be timed."""
    asked: list[Way] = []

    def time(_: RunSettings, which: list[Way], seconds: float = 0) -> list[TimedWay]:
        asked.extend(which)
        first = ratios.get(which[0], 1.0)
        return [
            TimedWay(way, ratios.get(way, 1.0) / first, 0.0, 1.0 if way in wrong else 0.0)
            for way in dict.fromkeys(which)
        ]

    monkeypatch.setattr(ways, "time_ways", time)
    monkeypatch.setattr(ways, "has_bfloat16_products", lambda: True)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    return asked


BEST = Way("bfloat16", "products")


def test_the_quickest_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    timings(monkeypatch, {BEST: 1.8, Way("bfloat16"): 1.6})
    way, timed = choose_way(SMALL, LONG)
    assert way == BEST
    assert {one.way for one in timed} == set(EAGER)


def test_a_small_gain_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    timings(monkeypatch, {BEST: ways.GAIN - 0.001})
    assert choose_way(SMALL, LONG)[0] == REFERENCE


def test_what_disagrees_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    timings(monkeypatch, {BEST: 3.0, Way("bfloat16"): 1.5}, wrong=(BEST,))
    assert choose_way(SMALL, LONG)[0] == Way("bfloat16")


@pytest.mark.parametrize("precision", ways.PRECISIONS)
def test_a_forced_choice_is_kept(monkeypatch: pytest.MonkeyPatch, precision: ways.Precision) -> None:
    asked = timings(monkeypatch, {BEST: 3.0, Way("float32", "products"): 0.5})
    way, _ = choose_way(of_train(precision=precision), LONG)
    assert way.precision == precision
    assert {one.precision for one in asked} <= {"float32", precision}
    assert choose_way(of_train(precision=precision, attention="sdpa"), LONG)[0] == Way(precision)
    assert choose_way(of_train(attention="products"), LONG)[0] == BEST


def test_what_is_forced_is_kept_though_it_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    forced = [Way("bfloat16"), BEST]
    timings(monkeypatch, {BEST: 3.0}, wrong=tuple(forced))
    assert choose_way(of_train(precision="bfloat16"), LONG)[0] == Way("bfloat16")


def test_where_nothing_is_open_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = timings(monkeypatch, {})
    settings = of_train(precision="bfloat16", attention="products", compile=False)
    assert choose_way(settings, 10 * ways.WORTH_COMPILING) == (BEST, [])
    assert not asked


def test_a_short_training_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = timings(monkeypatch, {BEST: 3.0})
    assert choose_way(SMALL, ways.WORTH_TIMING) == (REFERENCE, [])
    assert not asked


def test_compiling_is_tried_where_it_can_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = replace(BEST, compile=True)
    asked = timings(monkeypatch, {BEST: 1.8, compiled: 2.2})
    monkeypatch.setattr(ways, "can_compile", lambda _: True)
    assert choose_way(SMALL, ways.WORTH_COMPILING - 1)[0] == BEST
    assert not any(way.compile for way in asked)
    way, timed = choose_way(SMALL, ways.WORTH_COMPILING)
    assert way == compiled
    assert timed[-1].ratio == pytest.approx(2.2)  # relative to float32, as the others
    monkeypatch.setattr(ways, "can_compile", lambda _: False)
    assert choose_way(SMALL, ways.WORTH_COMPILING)[0] == BEST


def test_threads_are_as_before_after_timing() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        time_ways(SMALL, [REFERENCE, replace(REFERENCE, threads=1), replace(REFERENCE, attention="products")], 0)
        trial = ways.TrialStep(SMALL)
        trial.use(replace(REFERENCE, threads=1))
        assert torch.get_num_threads() == 1
        trial.use(REFERENCE)  # as they were
        assert torch.get_num_threads() == trial.threads
    finally:
        torch.set_num_threads(before)


def test_dropout_is_no_disagreement() -> None:
    for one in time_ways(SMALL.with_values({"model": {"dropout": 0.5}}), EAGER, seconds=0):
        assert one.agrees, one


def test_a_compiler_that_fails_costs_nothing_but_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    timings(monkeypatch, {BEST: 1.8})
    plain = ways.time_ways

    def time(settings: RunSettings, which: list[Way], seconds: float = 0) -> list[TimedWay]:
        if any(way.compile for way in which):
            raise OSError("no header")
        return plain(settings, which)

    monkeypatch.setattr(ways, "time_ways", time)
    monkeypatch.setattr(ways, "can_compile", lambda _: True)
    assert choose_way(SMALL, ways.WORTH_COMPILING)[0] == BEST


def test_masked_documents_leave_no_choice_of_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = timings(monkeypatch, {BEST: 3.0})
    assert choose_way(of_train(document_mask=True), LONG)[0] == REFERENCE
    assert {way.attention for way in asked} == {"sdpa"}


def test_half_of_the_threads_may_be_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    halved = replace(BEST, threads=4)
    timings(monkeypatch, {BEST: 1.8, halved: 2.2})
    used: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(torch, "set_num_threads", used.append)
    assert choose_way(SMALL, LONG)[0] == halved
    assert used[-1] == 4
    given = replace(BEST, threads=8)
    timings(monkeypatch, {given: 1.8, halved: 2.2})
    assert choose_way(of_train(threads=8), LONG)[0] == given


def test_attention_weights_that_would_fill_memory_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = timings(monkeypatch, {})
    choose_way(SMALL.with_values({"model": {"context": 4096}, "train": {"batch": 64}}), LONG)
    assert {way.attention for way in asked} == {"sdpa"}


def test_settings_name_a_way_and_can_be_opened_again() -> None:
    way = Way("bfloat16", "products", compile=True, threads=3)
    frozen = settled(SMALL, way)
    assert way_of(frozen) == way
    assert all(frozen.is_set("train", name) for name in ways.PARTS)
    assert opened(frozen) == SMALL
    assert settled(SMALL, REFERENCE).train.threads == torch.get_num_threads()


def test_a_model_is_told_its_kernel() -> None:
    model, cpu = GPT(model_settings()), torch.device("cpu")
    for way, kernel in (
        (Way("bfloat16"), attend_in_float32),
        (Way("float32", "products"), attend_by_products),
        (REFERENCE, attend),
    ):
        use_way(model, way, cpu)
        assert all(block.attention.attend is kernel for block in model.blocks)
    use_way(model, replace(REFERENCE, compile=True), cpu)
    use_way(model, REFERENCE, cpu)
    assert model.training_hidden.__func__ is GPT.hidden


@pytest.mark.parametrize("way", EAGER)
def test_a_way_trains_alike_and_resumes_bit_for_bit(tmp_path: Path, way: Way) -> None:
    train = {"steps": 6, "evaluate_every": 3, "batch": 8, "precision": way.precision, "attention": way.attention}
    model = model_settings(dropout=0.1)
    usual = of_kind(run(trainer(tmp_path / "usual", model=model, train={"steps": 6, "batch": 8})), Stepped)
    made = trainer(tmp_path / "whole", model=model, train=train)
    muon = next(optimizer for optimizer in made.optimizers if isinstance(optimizer, Muon))
    rounds = way.precision == "bfloat16" and has_bfloat16_products()
    assert muon.iteration == (torch.bfloat16 if rounds else None)
    steps = of_kind(run(made), Stepped)
    for one, two in zip(steps, usual, strict=True):
        assert one.metrics["loss"] == pytest.approx(two.metrics["loss"], rel=0.01)
    run(trainer(tmp_path / "stopped", model=model, train=train), stop_after=4)
    run(trainer(tmp_path / "stopped", model=model, train=train))
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")
    assert all(
        tensor.dtype == torch.float32 for name, tensor in tensors(tmp_path / "whole").items() if "step" not in name
    )


def test_what_a_machine_lacks_is_not_emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "has_bfloat16_products", lambda: False)
    monkeypatch.setattr(ways, "can_compile", lambda _: False)
    cpu = torch.device("cpu")
    assert ways.usable(replace(BEST, compile=True), cpu) == Way("float32", "products")
    train = {"steps": 1, "batch": 4, "precision": "bfloat16", "compile": True}
    made = trainer(tmp_path, model=model_settings(), train=train)
    assert made.precision == "float32"
    assert all(optimizer.iteration is None for optimizer in made.optimizers if isinstance(optimizer, Muon))
    assert run(made)[-1].reason == "finished"


def test_what_a_machine_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    assert ways.shortcomings(settled(SMALL, REFERENCE)) == []
    far = settled(SMALL, Way("bfloat16", "products", compile=True, threads=4000))
    monkeypatch.setattr(ways, "can_compile", lambda _: False)
    monkeypatch.setattr(ways, "has_bfloat16_products", lambda: False)
    bfloat16, compiler, cores = ways.shortcomings(far)
    assert "float32" in bfloat16 and "compiler" in compiler and "4000 threads" in cores
    monkeypatch.setattr(ways, "has_bfloat16_products", lambda: True)
    monkeypatch.setattr(ways, "matrix_rate", lambda *_, **__: 1e11)
    assert "1.00 times" in ways.shortcomings(far)[0]
