"""Damages every file and folder of a run in every way, gives every command, and says what came of it."""

import contextlib
import io
import itertools
import json
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kill_lives import SHORT, TINY
from method_helpers import pretrain, sft
from train_helpers import DOES, WHAT, WHO, sentences

from modou import storage
from modou.cli import main as cli
from modou.runs.seal import read_sealed_json, read_sealed_toml, write_sealed_json, write_sealed_toml
from modou.settings.methods import SftRun
from modou.settings.run import RunSettings

SECONDS = 60
"""What takes longer hangs: an undamaged command takes one."""
TERABYTE = 1 << 40
UNREAD = (".lock", "checkpoints/step-00000002")
"""What no result follows from, so that the doctor says nothing of it: the lock, and a checkpoint that is neither the
best nor the newest and might have been deleted to save room."""
STEPS = {"steps": 4, "batch": 4, "micro_batch": 4, "evaluate_every": 2, "threads": 1}
SETTINGS = TINY | {"model": TINY["model"] | {"context": 64, "layers": 1}, "train": TINY["train"] | STEPS}
TUNING = {"train": SHORT | {"steps": 4}, "sampling": {"tokens": 4}}
TUNED = [
    word for group, own in TUNING.items() for name, value in own.items() for word in (f"--{group}.{name}", f"{value}")
]


def flip(path: Path) -> None:
    """One bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def gone(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Something else of the same name."""

    def fault(path: Path) -> None:
        gone(path)
        make(path)

    return fault


def longer(path: Path) -> None:
    """One more line, which is JSON."""
    path.write_bytes(path.read_bytes() + b'{"step": 3}\n')


def sparse(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(TERABYTE)


def forge(path: Path) -> None:
    """Other values under a seal that fits."""
    if path.suffix == ".toml":
        write_sealed_toml(path, {name: {} if name != "run" else own for name, own in read_sealed_toml(path).items()})
    else:
        write_sealed_json(path, read_sealed_json(path) | {"numbers": {}})


FAULTS: dict[str, Callable[[Path], object]] = {
    "removed": gone,
    "file": instead(Path.touch),
    "loop": instead(lambda path: path.symlink_to(path.name)),
    "folder": instead(Path.mkdir),
    "endless": instead(lambda path: path.symlink_to("/dev/zero")),
    "pipe": instead(os.mkfifo),
    "flipped": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": longer,
    "sparse": sparse,
    "forged": forge,
}
FEW = ("removed", "pipe", "flipped", "longer", "forged")
OF_FOLDERS = ("removed", "file", "loop", "folder")
SEALED = re.compile(r"settings\.toml|stages/(clean|tokenizer|evaluate)\.json")
"""Files whose content other code relies on and that only a seal protects."""
REMEDY = re.compile(r"modou ([a-z]+ \S+(?: \S+)*?)(?: first| makes it again|, or |$)")


@dataclass(frozen=True)
class Command:
    """A command on one of the runs, and where its result is."""

    run: str
    words: Callable[[Path], list[str]]
    result: Callable[[Path, Any], Any]
    faults: Collection[str] = tuple(FAULTS)
    """Fewer for those that read with others what these meet whole."""


def _written(_: Path, out: Any) -> Any:
    return out["step"], out["samples"]


def _figures(folder: Path, out: Any) -> Any:
    """What a report says of the model: all but how long things took."""
    report = storage.read_json(folder / "report.json") if (folder / "report.json").is_file() else out
    own = ("test", "validation", "train", "checkpoint", "novelty", "variety", "final_samples", "samples", "settings")
    curve = [{k: v for k, v in line.items() if k != "seconds"} for line in report["training"]["history"]]
    return {name: report.get(name) for name in own}, curve


def _measured(_: Path, out: Any) -> Any:
    return out.get("stages", out)["evaluate"]


def _weights(folder: Path) -> Any:
    newest = max(path for path in (folder / "checkpoints").glob("step-*"))
    return newest.name, storage.sha256_file(newest / "model.safetensors")


def _trained(folder: Path, out: Any) -> Any:
    return _weights(folder), _figures(folder, out)


def _compared(_: Path, out: Any) -> Any:
    return {name: own["by_answer"] for name, own in out["evaluate"]["runs"].items()}


def _nothing(_folder: Path, _out: Any) -> None:
    """The doctor's findings are judged by themselves."""


def _tune(folder: Path) -> list[str]:
    talk = str(folder.parent / "talk.jsonl")
    return ["sft", str(folder), talk, "--out", str(folder.with_name("new")), *TUNED, "--replay.rows", "2"]


def _tune_on(folder: Path) -> list[str]:
    """The base lies beside the cases, whole."""
    base, talk = (str(folder.parents[2] / name) for name in ("base", "talk.jsonl"))
    return ["sft", base, talk, "--out", str(folder), *TUNED]


def _draw(folder: Path) -> list[str]:
    return ["generate", str(folder), "豆", "--tokens", "12", "--temperature", "1", "--seed", "3"]


def _compare(folder: Path) -> list[str]:
    base, talk = (str(folder.parents[2] / name) for name in ("base", "talk.jsonl"))
    return ["compare", talk, base, str(folder), "--count", "2", "--tokens", "4"]


def _give(command: str) -> Callable[[Path], list[str]]:
    return lambda folder: [command, str(folder)]


def _run(folder: Path) -> list[str]:
    return ["run", "--out", str(folder)]


COMMANDS: dict[str, Command] = {
    "generate": Command("base", _draw, _written),
    "evaluate": Command("base", _give("evaluate"), _measured),
    "report": Command("base", _give("report"), _figures),
    "doctor": Command("base", _give("doctor"), _nothing),
    "run": Command("base", _run, _figures),
    "tune": Command("base", _tune, lambda folder, _: _weights(folder.with_name("new")), FEW),
    "resume": Command("cut", _give("pretrain"), lambda folder, _: _weights(folder)),
    "finish": Command("cut", _run, _trained, FEW),
    "resume-doctor": Command("cut", _give("doctor"), _nothing),
    "sft-generate": Command("sft", _draw, _written),
    "sft-evaluate": Command("sft", _give("evaluate"), _measured, FEW),
    "sft-report": Command("sft", _give("report"), _figures),
    "sft-compare": Command("sft", _compare, _compared, FEW),
    "sft-doctor": Command("sft", _give("doctor"), _nothing),
    "sft-resume": Command("sft-cut", _tune_on, _trained, FEW),
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


class Hang(BaseException):
    """A command had to be ended."""


@contextlib.contextmanager
def bounded() -> Generator[None]:
    """Hang, where the body does not end by itself."""

    def end(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGUSR1, end)
    timer = threading.Timer(SECONDS, signal.pthread_kill, (threading.main_thread().ident, signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGUSR1, before)


@dataclass(frozen=True)
class Said:
    """Exit status (None: it hung), standard output and standard error of a command."""

    status: int | None
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.err.strip().split("\n")[-1]


def give(words: list[str]) -> Said:
    """Gives a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    status = None
    with contextlib.suppress(Hang), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), bounded():
        status = cli.status_of(words)
    return Said(status, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Case:
    """A command on a run of which one file or folder is damaged."""

    command: str
    file: str
    fault: str


class Walk:
    """All cases of one command on the runs in a folder."""

    def __init__(self, folder: Path, command: str) -> None:
        self.folder, self.name, self.command = folder, command, COMMANDS[command]
        self.numbers = itertools.count()
        place = self._copy()
        with opened_files() as opened:
            said = self._give(place)
        assert said.status == 0, said
        own = f"{place / self.command.run}/"
        self.touched = {name.removeprefix(own) for name in opened}
        self.expected = self._result(place, said)
        shutil.rmtree(place)

    def cases(self) -> Iterator[Case]:
        """Every fault of what the command reads, and the absence of whatever there is."""
        run = self.folder / self.command.run
        for path in sorted(run.rglob("*")):
            file = path.relative_to(run).as_posix()
            for fault in self.command.faults:
                reads = path.is_dir() or file in self.touched or "doctor" in self.name or fault == "removed"
                # The doctor compares hashes, which are right here: whoever reads the figures sees that they are none.
                used = reads if fault != "forged" else "doctor" not in self.name and file in self.touched
                if used and _is_possible(path, fault) and (fault != "forged" or SEALED.fullmatch(file)):
                    yield Case(self.name, file, fault)

    def judge(self, case: Case) -> tuple[str, str]:
        """ "same", "told", "refused", or why it is none of these; and what was said."""
        place = self._copy()
        FAULTS[case.fault](place / self.command.run / case.file)
        said = self._give(place)
        outcome = self._outcome(case, said, place)
        shutil.rmtree(place)
        return outcome, said.err.replace(f"{place}/", "")

    def _outcome(self, case: Case, said: Said, place: Path) -> str:
        if said.status is None:
            return "hang"
        if "Traceback" in said.err or said.status not in (0, 2):
            return f"traceback: exit {said.status}"
        if "doctor" in self.name and said.out:
            problems = json.loads(said.out)["run"]["problems"]
            if any(_names(case.file, problem) for problem in problems):
                return "told" if said.status == 2 else f"exit {said.status}"
            return "same" if said.status == 0 and not problems and case.file in UNREAD else "silent"
        if said.status == 2:
            if not said.last.startswith("modou: ") or not _names(case.file, said.last):
                return "refused without its cause"
            return "refused" if self._helps(said, place) else "dead end"
        notices = json.loads(said.out).get("notices", [])
        lines = [line for line in said.err.split("\n") if not line.startswith("[")]
        if all(any(_names(case.file, line) for line in told) for told in (notices, lines)):
            return "told"
        return "same" if self._result(place, said) == self.expected else "silent"

    def _helps(self, refused: Said, place: Path) -> bool:
        """Whether the command that a refusal names, and those that it names in turn, take the first one to its end."""
        for _ in range(4):
            named = REMEDY.search(refused.last)
            if refused.status == 0 or named is None or str(place) not in named[1]:  # none is named: a copy is wanted
                return True
            again = give(named[1].split())
            refused = self._give(place) if again.status == 0 else again
        return refused.status == 0

    def _copy(self) -> Path:
        """A place of its own that bears the name of no file."""
        place = self.folder / "cases" / str(next(self.numbers))
        place.mkdir(parents=True)
        shutil.copytree(self.folder / self.command.run, place / self.command.run)
        for name in ("talk.jsonl", "book.txt"):
            shutil.copy(self.folder / name, place / name)
        return place

    def _give(self, place: Path) -> Said:
        return give([*self.command.words(place / self.command.run), "--json"])

    def _result(self, place: Path, said: Said) -> Any:
        return self.command.result(place / self.command.run, json.loads(said.out))


def _is_possible(path: Path, fault: str) -> bool:
    if path.is_dir():
        return fault in OF_FOLDERS
    return path.stat().st_size > 0 or fault not in ("flipped", "cut", "file")


_opened: list[set[str]] = []


def _note(event: str, given: tuple[Any, ...]) -> None:
    if _opened and event in ("open", "os.rename") and isinstance(name := given[event != "open"], str | Path):
        _opened[-1].add(str(name))


@contextlib.contextmanager
def opened_files() -> Generator[set[str]]:
    """The files that the body opens or writes."""
    if not hasattr(sys, "_modou_notes"):
        sys.addaudithook(_note)
        sys._modou_notes = True  # type: ignore[attr-defined]
    _opened.append(set())
    try:
        yield _opened[-1]
    finally:
        _opened.pop()


def _names(file: str, line: str) -> bool:
    """Whether a sentence names a file, its folder, or the stage that it belongs to."""
    path = Path(file)
    if path.name == "best" or path.name.startswith("step-"):  # a file names a checkpoint that is not there
        return "checkpoint" in line
    if file in ("corpus", "corpus/tokens") and "the pretraining text of" in line:
        return True
    return path.name in line or any(part in line for part in path.parts[:-1] if part.startswith("step-"))
