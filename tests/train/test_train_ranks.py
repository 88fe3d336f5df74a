"""Two processes on gloo train exactly what one does: replicated (ddp) and sharded (fsdp)."""

import shutil
from pathlib import Path

import pytest
import torch
from rank_helpers import CASES, case, record_gradients, start_two, world_of_two
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from train_helpers import (
    CPU,
    assert_close,
    assert_same_bits,
    batches,
    metrics,
    model_settings,
    of_kind,
    run,
    tensors,
    trainer,
)

from modou import storage
from modou.data.shards import IGNORE
from modou.train.events import Started

STRATEGIES = ("ddp", "fsdp")
TOLERANCE = 1e-6
MUON_TOLERANCE = 3e-6
"""Orthogonalising lifts the smallest singular values, and the rounding error in them, by a factor of a thousand."""


def work(rank: int, folder: Path) -> None:
    """Everything that two ranks do in this file: starting them is what costs time."""
    for strategy in STRATEGIES:
        world = world_of_two(rank, strategy)
        for name in CASES:
            made = case(folder / strategy / name, name, world)
            gradients = record_gradients(made)
            run(made)
            if rank == 0:
                torch.save(gradients, folder / strategy / name / "gradients.pt")
        # From two ranks to one, and from one to two.
        if rank == 0:
            shutil.copytree(folder / "one-stopped", folder / strategy / "one-then-two")
        world.barrier()
        run(case(folder / strategy / "one-then-two", "tied-muon", world))
        run(case(folder / strategy / "two-then-one", "tied-muon", world), stop_after=1)
        # More ranks than rows: one of them has nothing but padding.
        run(trainer(folder / strategy / "one-row", world=world, train={"steps": 2, "batch": 1, "evaluate_every": 2}))
    without_forced_sum(rank, folder)


def without_forced_sum(rank: int, folder: Path) -> None:
    """The mean that FSDP2 takes by itself, where a sum is needed."""
    made = case(folder / "control", "tied-muon", world_of_two(rank, "ddp"), steps=1)
    for module in made.model.modules():
        if isinstance(module, FSDPModule):
            module.set_force_sum_reduction_for_comms(False)
            module.set_gradient_divide_factor(2.0)
    gradients = record_gradients(made)
    run(made)
    if rank == 0:
        torch.save(gradients, folder / "control" / "gradients.pt")


def without_key_biases(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """A bias of keys moves all scores of a query alike, so its gradient is rounding error (with learned positions),
    which AdamW makes a whole step of, in any direction. No output depends on it."""
    kept = dict(found)
    for name in found:
        if name.endswith("qkv.bias"):
            query, _, value = found[name].chunk(3)
            kept[name] = torch.cat((query, value))
    return kept


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of both ways, and of one process."""
    folder = tmp_path_factory.mktemp("ranks")
    for name in CASES:
        made = case(folder / "one" / name, name, CPU)
        gradients = record_gradients(made)
        run(made)
        torch.save(gradients, folder / "one" / name / "gradients.pt")
    run(case(folder / "one-stopped", "tied-muon", CPU), stop_after=1)
    run(trainer(folder / "one-row", train={"steps": 2, "batch": 1, "evaluate_every": 2}))
    start_two(work, folder)
    return folder


def test_the_ranks_have_unequal_numbers_of_targets() -> None:
    first, second = (batches(16, 5).rows(0, rank, 2)[1] for rank in range(2))
    assert len(first) != len(second)
    assert (first != IGNORE).sum() != (second != IGNORE).sum()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", CASES)
class TestTwoAreOne:
    def test_gradients(self, trained: Path, strategy: str, name: str) -> None:
        one, two = (torch.load(trained / kind / name / "gradients.pt") for kind in ("one", strategy))
        assert len(one) == len(two) == 3
        assert_close(two[0], one[0], TOLERANCE)

    def test_everything_after_three_steps(self, trained: Path, strategy: str, name: str) -> None:
        one, two = tensors(trained / "one" / name), tensors(trained / strategy / name)
        assert_close(without_key_biases(two), without_key_biases(one), MUON_TOLERANCE if "muon" in name else TOLERANCE)

    def test_metrics_evaluations_and_samples(self, trained: Path, strategy: str, name: str) -> None:
        one, two = metrics(trained / "one" / name), metrics(trained / strategy / name)
        assert [(line["kind"], line["step"]) for line in two] == [(line["kind"], line["step"]) for line in one]
        for mine, theirs in zip(two, one, strict=True):
            assert mine.get("tokens") == theirs.get("tokens")
            if mine["kind"] == "step":
                assert mine["metrics"] == pytest.approx(theirs["metrics"], rel=1e-5)
            else:
                figures = [line["numbers"]["average"]["validation"]["bits_per_char"] for line in (mine, theirs)]
                assert figures[0] == pytest.approx(figures[1], rel=1e-5)
        samples = [storage.read_jsonl(trained / kind / name / "samples.jsonl") for kind in ("one", strategy)]
        assert len(samples[1]) == 4 and samples[0] == samples[1]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_saved_at_one_goes_on_at_two(trained: Path, strategy: str) -> None:
    assert_close(tensors(trained / strategy / "one-then-two"), tensors(trained / "one" / "tied-muon"), MUON_TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_saved_at_two_goes_on_at_one(trained: Path, strategy: str) -> None:
    folder = trained / strategy / "two-then-one"
    events = run(case(folder, "tied-muon", CPU))
    assert of_kind(events, Started)[0].step == 1
    assert_close(tensors(folder), tensors(trained / "one" / "tied-muon"), MUON_TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rank_without_rows_takes_part(trained: Path, strategy: str) -> None:
    assert_close(tensors(trained / strategy / "one-row"), tensors(trained / "one-row"), MUON_TOLERANCE)


@pytest.mark.slow
def test_negative_control_a_mean_over_ranks_is_wrong(trained: Path) -> None:
    control, one = (torch.load(trained / kind / "gradients.pt")[0] for kind in ("control", "one/tied-muon"))
    with pytest.raises(AssertionError):
        assert_close(control, one, 0.1)


def test_rows_of_all_ranks_are_the_batch_at_any_world_size() -> None:
    made = batches(16, 5)
    for world in (1, 2, 3, 5, 7):
        for step in (0, 3):
            rows = [torch.from_numpy(made.rows(step, rank, world)[1]) for rank in range(world)]
            assert_same_bits({"rows": torch.cat(rows)}, {"rows": torch.from_numpy(made.rows(step)[1])})


def test_the_cases_cover_both_tables_and_optimizers() -> None:
    assert {(c["model"].tied, c["optimizer"]["name"]) for c in CASES.values()} == {
        (tied, name) for tied in (True, False) for name in ("muon", "adamw")
    }
    assert model_settings("modern").tied
