"""SIGKILL at any moment, inside saves too: the same command takes the run up, and it ends in the same bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HELPER = Path(__file__).parents[1] / "kill_lives.py"
ROOT = Path(__file__).parents[2]


def kill(what: str, folder: Path, kills: int, seed: int) -> dict[str, int]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join((str(ROOT), str(HELPER.parent)))}
    done = subprocess.run(
        [sys.executable, str(HELPER), what, str(folder), str(kills), str(seed)],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def died(found: dict[str, int]) -> int:
    return found["event"] + found["file"] + found["moment"]


def test_killed_training_ends_in_the_same_bytes(tmp_path: Path) -> None:
    assert died(kill("loop", tmp_path, 6, seed=1)) == 6


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kto", "lora"])
def test_a_method_killed_six_times_ends_in_the_same_bytes(method: str, tmp_path: Path) -> None:
    assert died(kill(method, tmp_path, 6, seed=4)) == 6


@pytest.mark.slow
def test_a_training_killed_fifty_times_ends_in_the_same_bytes(tmp_path: Path) -> None:
    found = kill("loop", tmp_path, 50, seed=2)
    assert died(found) == 50 and min(found.values()) > 0


@pytest.mark.slow
def test_a_whole_run_killed_twenty_times_ends_in_the_same_bytes(tmp_path: Path) -> None:
    found = kill("run", tmp_path, 20, seed=3)
    assert died(found) == 20 and min(found.values()) > 0
