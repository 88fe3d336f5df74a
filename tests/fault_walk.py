"""Damages every file of a run in every way, gives every command, and says what came of it.

A process of its own (`python fault_walk.py FOLDER fast|whole [COMMAND ...]`): it forks every command from a state in
which torch has computed nothing yet, so that one that hangs can be killed and none costs an import. Prints one line of
JSON a case.
"""

import itertools
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from kill_lives import SHORT, TINY
from method_helpers import pretrain, sft
from train_helpers import DOES, WHAT, WHO, sentences

from modou import storage
from modou.cli import main as cli
from modou.methods import pretrain as pretrain_method
from modou.pipeline import doctor as pipeline_doctor
from modou.pipeline import runner
from modou.report import page
from modou.settings.methods import SftRun
from modou.settings.run import RunSettings

SECONDS = 120
"""What takes longer hangs: an undamaged command takes three."""
TERABYTE = 1 << 40
UNREAD = (".lock", "checkpoints/latest")
"""Files that no result follows from: the doctor says nothing of them."""
STEPS = {"steps": 4, "batch": 4, "micro_batch": 4, "evaluate_every": 2, "threads": 1}
SETTINGS = TINY | {"model": TINY["model"] | {"context": 64}, "train": TINY["train"] | STEPS}
TUNING = {"train": SHORT | {"steps": 4}}
TUNED = [word for name, value in TUNING["train"].items() for word in (f"--train.{name}", str(value))]


def flip(path: Path) -> None:
    """One bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Something else of the same name."""

    def fault(path: Path) -> None:
        path.unlink()
        make(path)

    return fault


def sparse(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(TERABYTE)


FAULTS: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "flipped": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "folder": instead(Path.mkdir),
    "loop": instead(lambda path: path.symlink_to(path.name)),
    "parent": instead(lambda path: path.symlink_to(path.parent)),
    "sparse": sparse,
    "endless": instead(lambda path: path.symlink_to("/dev/zero")),
}


@dataclass(frozen=True)
class Command:
    """A command on one of the runs, and where its result is."""

    run: str
    words: Callable[[Path], list[str]]
    result: Callable[[Path, Any], Any]


def _written(_: Path, out: Any) -> Any:
    return out["step"], out["samples"]


def _figures(folder: Path, out: Any) -> Any:
    """What a report says of the model: all but how long things took."""
    report = storage.read_json(folder / "report.json") if (folder / "report.json").is_file() else out
    own = ("test", "validation", "train", "checkpoint", "novelty", "variety", "final_samples", "samples", "settings")
    curve = [{k: v for k, v in line.items() if k != "seconds"} for line in report["training"]["history"]]
    return {name: report.get(name) for name in own}, curve


def _measured(_: Path, out: Any) -> Any:
    return out["stages"]["evaluate"] if "stages" in out else out


def _weights(folder: Path) -> Any:
    newest = max(path for path in (folder / "checkpoints").glob("step-*"))
    return newest.name, storage.sha256_file(newest / "model.safetensors")


def _trained(folder: Path, out: Any) -> Any:
    return _weights(folder), _figures(folder, out)


def _tuned(folder: Path, _: Any) -> Any:
    return _weights(folder.with_name("new"))


def _tune(folder: Path) -> list[str]:
    talk = str(folder.parent / "talk.jsonl")
    return ["sft", str(folder), talk, "--out", str(folder.with_name("new")), *TUNED, "--replay.rows", "2"]


def _tune_on(folder: Path) -> list[str]:
    """The base lies beside the cases, whole."""
    base, talk = (str(folder.parents[2] / name) for name in ("base", "talk.jsonl"))
    return ["sft", base, talk, "--out", str(folder), *TUNED]


def _write(folder: Path) -> list[str]:
    return ["generate", str(folder), "豆", "--tokens", "12", "--temperature", "0"]


def _draw(folder: Path) -> list[str]:
    return ["generate", str(folder), "豆", "--tokens", "12", "--temperature", "1", "--seed", "3"]


COMMANDS: dict[str, Command] = {
    "generate": Command("base", _write, _written),
    "draw": Command("base", _draw, _written),
    "evaluate": Command("base", lambda folder: ["evaluate", str(folder)], _measured),
    "report": Command("base", lambda folder: ["report", str(folder)], _figures),
    "doctor": Command("base", lambda folder: ["doctor", str(folder)], lambda _folder, _out: None),
    "run": Command("base", lambda folder: ["run", "--out", str(folder)], _figures),
    "resume": Command("cut", lambda folder: ["pretrain", str(folder)], lambda folder, _: _weights(folder)),
    "finish": Command("cut", lambda folder: ["run", "--out", str(folder)], _trained),
    "resume-doctor": Command("cut", lambda folder: ["doctor", str(folder)], lambda _folder, _out: None),
    "tune": Command("base", _tune, _tuned),
    "sft-generate": Command("sft", _draw, _written),
    "sft-evaluate": Command("sft", lambda folder: ["evaluate", str(folder)], _measured),
    "sft-report": Command("sft", lambda folder: ["report", str(folder)], _figures),
    "sft-resume": Command("sft-cut", _tune_on, _trained),
    "sft-doctor": Command("sft", lambda folder: ["doctor", str(folder)], lambda _folder, _out: None),
}


def make(folder: Path) -> None:
    """The runs: one that is finished, one that was stopped, and the same for SFT of the first."""
    said = [(f"{who}？", f"{does}{what}。") for who, does, what in zip(WHO, DOES, WHAT, strict=True)]
    rows = [storage.json_line({"instruction": q, "output": a}) + "\n" for q, a in said]
    (folder / "talk.jsonl").write_text("".join(rows), encoding="utf-8")
    (folder / "book.txt").write_text(sentences(110, 1), encoding="utf-8")
    book, talk, base = str(folder / "book.txt"), folder / "talk.jsonl", folder / "base"
    tuning = SftRun.parse(TUNING)
    for _ in pretrain(book, RunSettings.parse(SETTINGS), out=base):
        pass
    for _ in sft(base, talk, tuning, folder / "sft"):
        pass
    _stop(lambda stop: pretrain(book, RunSettings.parse(SETTINGS), out=folder / "cut", should_stop=stop))
    _stop(lambda stop: sft(base, talk, tuning, folder / "sft-cut", should_stop=stop))


def _stop(train: Callable[[Callable[[], bool]], Iterator[Any]]) -> None:
    """Stopped by the user after the third step."""
    steps = [0]
    for event in train(lambda: steps[-1] >= 3):
        steps.append(max(steps[-1], getattr(event, "step", 0)))


def fork(work: Callable[[], int], out: Path) -> int | None:
    """The exit status of `work` in a process of its own, its output in out.1 and out.2; None: it had to be killed."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            for stream in (1, 2):
                os.dup2(os.open(f"{out}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
            status = work()
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException as error:
            os.write(2, f"Traceback {error!r}".encode())
        finally:
            os._exit(status)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


@dataclass(frozen=True)
class Case:
    """What came of a command on a run with one damaged file: "same", "told", "refused", or why that is none of them."""

    command: str
    file: str
    fault: str
    outcome: str = ""
    said: str = ""


class Walk:
    """All cases on the runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.expected: dict[str, Any] = {}
        self.touched: dict[str, set[str]] = {}
        self.numbers = itertools.count()

    def prepare(self, commands: Collection[str]) -> None:
        """The results of the undamaged runs, and the files that each command touches."""
        with ThreadPoolExecutor(2) as pool:
            for name, (result, touched) in zip(commands, pool.map(self._undamaged, commands), strict=True):
                self.expected[name], self.touched[name] = result, touched

    def _undamaged(self, name: str) -> tuple[Any, set[str]]:
        place = self._copy(name)
        log = place / "touched"
        opened: set[str] = set()

        def work() -> int:
            sys.addaudithook(lambda event, given: _note(event, given, opened))
            status = self._give(name, place)
            log.write_text("\n".join(opened), encoding="utf-8")
            return status

        status = fork(work, place / "out")
        errors = (place / "out.2").read_text(encoding="utf-8")
        assert status == 0, (name, errors)
        own = f"{place / COMMANDS[name].run}/"
        touched = {line.removeprefix(own) for line in log.read_text(encoding="utf-8").split("\n")}
        result = self._result(name, place)
        shutil.rmtree(place)
        return result, touched

    def cases(self, whole: bool) -> Iterator[Case]:
        """Fast: two faults of every file, two commands; whole: all faults of the files that a command touches."""
        for name in self.expected:
            run = self.folder / COMMANDS[name].run
            for path in sorted(path for path in run.rglob("*") if path.is_file()):
                file = path.relative_to(run).as_posix()
                if whole and file not in self.touched[name] and "doctor" not in name:
                    continue
                for fault in FAULTS if whole else ("removed", "flipped"):
                    if not (fault == "flipped" and path.stat().st_size == 0):
                        yield Case(name, file, fault)

    def judge(self, case: Case) -> Case:
        """The case with its outcome."""
        place = self._copy(case.command)
        FAULTS[case.fault](place / COMMANDS[case.command].run / case.file)
        status = fork(lambda: self._give(case.command, place), place / "out")
        errors = (place / "out.2").read_text(encoding="utf-8", errors="replace").replace(f"{place}/", "")
        outcome = self._outcome(case, status, errors, place)
        shutil.rmtree(place)
        return Case(case.command, case.file, case.fault, outcome, errors)

    def _outcome(self, case: Case, status: int | None, errors: str, place: Path) -> str:
        if status is None:
            return "hangs"
        if "Traceback" in errors or status not in (0, 2):
            return f"failed: exit {status}"
        lines = errors.strip().split("\n")
        if "doctor" in case.command and (place / "out.1").stat().st_size:
            found = storage.read_json(place / "out.1")["run"]
            if any(_names(case.file, problem) for problem in found["problems"]):
                return "told" if status == 2 else f"exit {status}"
            return "same" if status == 0 and case.file in UNREAD else "silent"
        if status == 2:
            return "refused" if errors.strip() and lines[-1].startswith("modou: ") else "no line"
        told = any(_names(case.file, line) for line in lines if not line.startswith("["))
        try:
            same = self._result(case.command, place) == self.expected[case.command]
        except (OSError, ValueError, KeyError) as error:
            return "told" if told else f"no result: {error}"
        return "told" if told else "same" if same else "silent"

    def _copy(self, name: str) -> Path:
        """A place of its own that bears the name of no file."""
        place = self.folder / "cases" / str(next(self.numbers))
        place.mkdir(parents=True)
        shutil.copytree(self.folder / COMMANDS[name].run, place / COMMANDS[name].run)
        for name in ("talk.jsonl", "book.txt"):
            shutil.copy(self.folder / name, place / name)
        return place

    def _give(self, name: str, place: Path) -> int:
        return cli.status_of([*COMMANDS[name].words(place / COMMANDS[name].run), "--json"])

    def _result(self, name: str, place: Path) -> Any:
        out = storage.read_json(place / "out.1")
        return COMMANDS[name].result(place / COMMANDS[name].run, out)


def _note(event: str, given: tuple[Any, ...], opened: set[str]) -> None:
    if event in ("open", "os.rename") and isinstance(name := given[event != "open"], str | Path):
        opened.add(str(name))


def _names(file: str, line: str) -> bool:
    """Whether a sentence names a file, its folder of a step, or the stage that it belongs to."""
    path = Path(file)
    if path.name == "best":  # flipped, it names a checkpoint that is not there
        return "checkpoint" in line
    return path.name in line or any(part in line for part in path.parts[:-1] if part.startswith("step-"))


def main(folder: Path, whole: bool, commands: Collection[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for module in (runner, pipeline_doctor, pretrain_method):
        module.matrix_rate = lambda *_, **__: 1e11  # type: ignore[attr-defined]
    if not (folder / "sft-cut").exists():
        status = fork(lambda: make(folder) or 0, folder / "made")
        assert status == 0, (folder / "made.2").read_text(encoding="utf-8")
    walk = Walk(folder)
    walk.prepare(commands)
    cases = list(walk.cases(whole))
    with ThreadPoolExecutor(2) as pool:
        for case in pool.map(walk.judge, cases):
            print(json.dumps(asdict(case), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    page.style_sheet()
    main(Path(sys.argv[1]), sys.argv[2] == "whole", sys.argv[3:] or list(COMMANDS))
