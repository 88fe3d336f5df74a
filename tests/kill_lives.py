"""Kills a training again and again, and starts it again with the same command, until it has died often enough.

A process of its own (`python kill_lives.py WHAT FOLDER KILLS SEED`): it forks every life from a state in which torch
has computed nothing yet, so that a life costs no import. Prints one line of JSON: how often it died, and where.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from import_helpers import write_model
from method_helpers import kto, pretrain, sft
from train_helpers import DOES, WHAT, WHO, assert_same_run, batches, model_settings, sentences, trainer

from modou import storage
from modou.interop.importing import import_model
from modou.report import page
from modou.settings.methods import KtoRun, SftRun
from modou.settings.run import RunSettings

OPERATIONS = ("fsync", "rename", "replace", "unlink", "mkdir", "rmdir", "open")
TINY: dict[str, Any] = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 2, "width": 16, "heads": 2, "context": 16, "dropout": 0.1},
    "train": {"steps": 9, "batch": 6, "micro_batch": 4, "evaluate_every": 2, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 500},
    "sampling": {"temperature": 1.0},
}
Command = Callable[[Path], Iterable[object]]


def loop(folder: Path) -> Iterable[object]:
    """Training alone."""
    train = {"steps": 9, "batch": 20, "micro_batch": 8, "evaluate_every": 2}
    return trainer(folder, model=model_settings(dropout=0.1), train=train).run()


def book(folder: Path) -> Path:
    path = folder.parent / "book.txt"
    if not path.exists():
        path.write_text(sentences(110, 1), encoding="utf-8")
    return path


def whole_run(folder: Path) -> Iterable[object]:
    """From the book to the report."""
    return pretrain(str(book(folder)), RunSettings.parse(TINY), out=folder)


SHORT: dict[str, Any] = {"batch": 4, "threads": 1, "steps": 6, "evaluate_every": 2}


def answering(folder: Path) -> Iterable[object]:
    """A small run that answers, in "sft", and judged answers to learn from: what `judged` begins from."""
    talk, opinions = folder.parent / "talk.jsonl", folder.parent / "judged.jsonl"
    said = [(f"{who}？", f"{does}{what}。") for who, does, what in zip(WHO, DOES, WHAT, strict=True)]
    pairs = [{"prompt": q, "chosen": a, "rejected": a[::-1]} for q, a in said[:3]]
    labelled = [{"prompt": q, "completion": a, "label": n % 2 == 0} for n, (q, a) in enumerate(said[3:])]
    for file, rows in ((talk, [{"instruction": q, "output": a} for q, a in said]), (opinions, pairs + labelled)):
        file.write_text("".join(storage.json_line(row) + "\n" for row in rows), encoding="utf-8")
    shape = TINY | {"model": TINY["model"] | {"context": 64}}
    yield from pretrain(str(book(folder)), RunSettings.parse(shape), out=folder.parent / "base")
    yield from sft(folder.parent / "base", talk, SftRun.parse({"train": SHORT}), folder.parent / "sft")


def judged(folder: Path) -> Iterable[object]:
    """KTO from the run that answers, to the report."""
    settings = KtoRun.parse({"train": SHORT, "replay": {"rows": 2}, "kto": {"held_out": 0.2}})
    return kto(folder.parent / "sft", folder.parent / "judged.jsonl", settings, folder)


def imported_model(folder: Path) -> Iterable[object]:
    """A model of other software as a run, in "theirs", and conversations: what `adapters` begins from."""
    (folder.parent / "model").mkdir()
    write_model(folder.parent / "model", "llama")
    rows = [
        {"instruction": f"{who}？", "output": f"{does}{what}。"}
        for who, does, what in zip(WHO, DOES, WHAT, strict=True)
    ]
    lines = "".join(storage.json_line(row) + "\n" for row in rows)
    (folder.parent / "talk.jsonl").write_text(lines, encoding="utf-8")
    yield from import_model(folder.parent / "model", folder.parent / "theirs")


def adapters(folder: Path) -> Iterable[object]:
    """SFT of the imported model by low-rank adapters, to the report."""
    settings = SftRun.parse({"train": SHORT, "lora": {"rank": 2, "dropout": 0.1}})
    return sft(folder.parent / "theirs", folder.parent / "talk.jsonl", settings, folder)


class Counter:
    """Counts what a life does: events and file operations; kills it before the one numbered `at`."""

    def __init__(self, kind: str, at: int | None) -> None:
        self.kind, self.at = kind, at
        self.counts = {"event": 0, "file": 0}
        for name in OPERATIONS:
            setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.count("file")
            return operation(*args, **kwargs)

        return counted

    def count(self, kind: str) -> None:
        if kind == self.kind and self.counts[kind] == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.counts[kind] += 1


def live(command: Command, folder: Path, kind: str = "", at: int | None = None, seconds: float | None = None) -> bool:
    """One life in a fork. Whether it came to its end; AssertionError where it failed by itself."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            counter = Counter(kind, at)
            for _ in command(folder):
                counter.count("event")
            (folder.parent / "counts.json").write_text(json.dumps(counter.counts), encoding="utf-8")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a life failed"
    return not os.WIFSIGNALED(status)


def main(command: Command, folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kills `kills` times; every run that comes to its end must be the one that nothing stopped."""
    dice = random.Random(seed)
    whole = folder / "whole"
    began = time.monotonic()
    assert live(command, whole)
    length = time.monotonic() - began
    counts = storage.read_json(folder / "counts.json")
    died = {"event": 0, "file": 0, "moment": 0}
    rounds = 0
    while sum(died.values()) < kills:
        run, finished = folder / f"round-{rounds}", False
        while not finished and sum(died.values()) < kills:
            kind = dice.choice(("event", "file", "file", "moment"))
            if kind == "moment":
                finished = live(command, run, seconds=dice.random() * length)
            else:
                finished = live(command, run, kind, dice.randrange(counts[kind]))
            died[kind] += not finished
        assert finished or live(command, run), "what is left is taken up"
        assert_same_run(run, whole)
        rounds += 1
    return died | {"rounds": rounds}


if __name__ == "__main__":
    torch.set_num_threads(1)
    page.style_sheet()
    batches(16, 20)  # the tokenizer is trained once, not in every life
    what, where, often, number = sys.argv[1:]
    before = {"kto": answering, "lora": imported_model}
    if what in before:
        assert live(before[what], Path(where) / "before")
    command = {"loop": loop, "run": whole_run, "kto": judged, "lora": adapters}[what]
    print(json.dumps(main(command, Path(where), int(often), int(number))))
