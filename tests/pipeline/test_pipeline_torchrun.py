"""The same command under torchrun: two real processes from the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from method_helpers import pretrain
from train_helpers import assert_close, metrics, progress, sentences, tensors

from modou.settings.run import RunSettings

LIMIT = 240
SMALL = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 2, "width": 16, "heads": 2, "context": 16},
    "train": {"steps": 4, "batch": 5, "micro_batch": 2, "evaluate_every": 2, "threads": 1},
    "evaluate": {"quick_characters": 200},
}


def torchrun(folder: Path) -> None:
    """Two processes train in `folder`; all of them are killed past the limit."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "-m", "modou", "pretrain", str(folder)]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "MODOU_LANG": "en"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert process.returncode == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_from_the_command_line_train_what_one_does(tmp_path: Path, strategy: str) -> None:
    book = tmp_path / "book.txt"
    book.write_text(sentences(110, 1), encoding="utf-8")
    settings = RunSettings.parse(SMALL).with_values({"train": {"parallel": strategy}})
    for name in ("one", "two"):
        list(pretrain(str(book), settings, tmp_path / name, until="plan"))
    torchrun(tmp_path / "two")
    list(pretrain(None, RunSettings(), tmp_path / "one", until="train"))
    assert_close(tensors(tmp_path / "two"), tensors(tmp_path / "one"), 1e-5)
    assert len(metrics(tmp_path / "two")) == len(metrics(tmp_path / "one"))
    assert (tmp_path / "two" / "samples.jsonl").read_bytes() == (tmp_path / "one" / "samples.jsonl").read_bytes()
    torchrun(tmp_path / "two")
    assert progress(tmp_path / "two")["step"] == 4, "run again, it is at its end"
