"""Logs: what a checkpoint vouches for, what damage leaves of it, what is dropped when a run is taken up again."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import state

from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.logs import METRICS, SAMPLES, Log, lines_of, read_log
from modou.runs.state import CheckpointState, LogMark

LINES = [
    {"kind": "step", "step": step, "seconds": 1.0, "metrics": {"loss": 1 / step}, "prompt": "豆", "text": "魔豆"}
    for step in range(1, 7)
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A log of six lines, five of which the newest checkpoint knows."""
    folder = RunFolder(tmp_path)
    logs = {name: Log(tmp_path / name) for name in (METRICS, SAMPLES)}
    for line in LINES:
        if line["step"] == 6:
            marks = {name: asdict(log.mark()) for name, log in logs.items()}
            groups = {"model": {"weight": torch.ones(1)}}
            checkpoints.save(folder.checkpoints, 5, groups, state(5, logs=marks), best=True)
        for log in logs.values():
            log.append(json.dumps(line, ensure_ascii=False))
    return folder


def mark_of(run: RunFolder) -> LogMark:
    return CheckpointState.read(run.checkpoints / "step-00000005").logs[METRICS]


def test_a_whole_log(run: RunFolder) -> None:
    assert read_log(run, METRICS) == (LINES, None)
    assert read_log(run, SAMPLES) == (LINES, None)


def test_the_mark_is_of_the_whole_file_whoever_wrote_it(run: RunFolder) -> None:
    log = Log(run.metrics)
    before = log.mark()
    log.append('{"step": 7}')
    assert log.mark() == Log(run.metrics).mark() != before
    assert log.mark().size == run.metrics.stat().st_size


def test_every_flipped_bit_is_told_and_whole_lines_stay(run: RunFolder) -> None:
    data = run.metrics.read_bytes()
    known = mark_of(run).size
    for place in range(known):
        run.metrics.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        lines, problem = read_log(run, METRICS)
        assert problem is not None and METRICS in str(problem)
        assert all(line in LINES for line in lines) and len(lines) >= 3, "two lines at most are lost by a lost end"


@pytest.mark.parametrize("cut", [1, 100, None])
def test_a_log_cut_short_is_told(run: RunFolder, cut: int | None, caplog: pytest.LogCaptureFixture) -> None:
    data = run.metrics.read_bytes()[: mark_of(run).size]
    run.metrics.unlink() if cut is None else run.metrics.write_bytes(data[:-cut])
    lines = lines_of(run, METRICS)
    assert lines == LINES[: len(lines)] and len(lines) <= 5
    assert [METRICS in message for message in caplog.messages] == [True]


@pytest.mark.parametrize("content", ["5\n[]\n{}\n", "x", '{"step": true}\n', "[" * 5000, '{"step": ' + "9" * 5000])
def test_lines_of_something_else(run: RunFolder, content: str) -> None:
    run.metrics.write_text(content, encoding="utf-8")
    lines, problem = read_log(run, METRICS)
    assert lines == [] and problem is not None


def test_a_torn_end_is_no_damage(run: RunFolder) -> None:
    with run.metrics.open("a", encoding="utf-8") as file:
        file.write('{"kind": "step", "st')
    assert read_log(run, METRICS) == (LINES, None)


def test_cut_drops_what_came_after_the_checkpoint(run: RunFolder) -> None:
    before = run.metrics.read_bytes()
    log = Log(run.metrics)
    assert log.cut(mark_of(run), 5) is None
    assert run.metrics.read_bytes() == before[: mark_of(run).size]
    assert log.mark() == mark_of(run)


def test_cut_tells_damage_and_keeps_whole_lines(run: RunFolder) -> None:
    data = run.metrics.read_bytes().replace(b'"step": 2', b'"step": 4', 1)
    run.metrics.write_bytes(data)
    log = Log(run.metrics)
    problem = log.cut(mark_of(run), 5)
    assert problem is not None and problem.file == METRICS
    kept = [json.loads(line) for line in run.metrics.read_text(encoding="utf-8").splitlines()]
    assert kept == [line for line in LINES if line["step"] not in (2, 6)]
    assert log.cut(log.mark(), 5) is None, "what was told once is told no more"


def test_without_a_checkpoint_nothing_vouches(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert read_log(run, METRICS) == ([], None)
    run.metrics.write_text(f'{json.dumps(LINES[0])}\nx\n{{"step": 9}}\n{json.dumps(LINES[1])}\n', encoding="utf-8")
    lines, problem = read_log(run, METRICS)
    assert [line["step"] for line in lines] == [1, 2] and problem is not None
