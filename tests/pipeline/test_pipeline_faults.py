"""Every file of a run, damaged in every way, before every command: the same result, or it is told, or one line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fault_walk
import pytest

WALK = Path(fault_walk.__file__)


def walked(folder: Path, how: str, *commands: str) -> list[dict[str, Any]]:
    """All cases, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MODOU_LANG": "en", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, str(WALK), str(folder), how, *commands]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_no_silence(cases: list[dict[str, Any]]) -> None:
    """Same, told or refused."""
    assert cases
    assert [case for case in cases if case["outcome"] not in ("same", "told", "refused")] == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


def test_files_that_are_gone_or_flipped_never_change_a_result_in_silence(runs: Path) -> None:
    assert_no_silence(walked(runs, "fast", "draw", "run"))


@pytest.mark.slow
@pytest.mark.parametrize("command", list(fault_walk.COMMANDS))
def test_no_fault_of_any_file_ends_in_silence_a_trace_or_a_hang(runs: Path, command: str) -> None:
    assert_no_silence(walked(runs, "whole", command))
