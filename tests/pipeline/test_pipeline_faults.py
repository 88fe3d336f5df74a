"""Every file of a run, damaged in every way, before every command: the same result, or it is told, or one line."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fault_walk
import pytest
import torch

from modou.methods import evaluation, pretrain
from modou.pipeline import doctor, runner
from modou.report import figures
from modou.report.markup import Html

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tiny runs, without what takes long and no file decides: measuring the machine, drawing, waiting for disks."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODOU_LANG", "en")
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(figures, "_svg", lambda *_: Html(""))
        patch.setattr(evaluation, "WRITTEN", 20)
        for module in (runner, doctor, pretrain):
            patch.setattr(module, "matrix_rate", lambda *_, **__: 1e11)
        folder = tmp_path_factory.mktemp("faults")
        fault_walk.make(folder)
        yield folder
    torch.set_num_threads(threads)


def walked(folder: Path, command: str, part: slice = slice(None)) -> Counter[str]:
    """How many cases came to what; assures that all are the same, told or refused."""
    walk = fault_walk.Walk(folder, command)
    found = {case: walk.judge(case) for case in list(walk.cases())[part]}
    counts = Counter(outcome for outcome, _ in found.values())
    print(f"{command}: {sum(counts.values())} cases, {dict(counts)}")
    assert counts
    assert {case: came for case, came in found.items() if came[0] not in ("same", "told", "refused")} == {}
    return counts


@pytest.mark.parametrize("command", ["generate", "report", "doctor", "sft-generate"])
def test_some_faults(runs: Path, command: str) -> None:
    walked(runs, command, slice(None, None, 7))


@pytest.mark.slow
@pytest.mark.parametrize("command", list(fault_walk.COMMANDS))
def test_no_fault_of_any_file_ends_in_silence_a_trace_or_a_hang(runs: Path, command: str) -> None:
    walked(runs, command)
