"""The run folder, which contains everything of one run that later commands need.

settings.toml      inputs, and every option        environment.json   versions, threads, machine
tokenizer/         tokenizer.model + card          corpus/            cleaned text, split, cleaning report, tokens
stages/            metrics and files of each stage (modou.runs.stages)
metrics.jsonl      one line per log or evaluation  samples.jsonl      samples of every evaluation
checkpoints/       see modou.runs.checkpoints           report.html        report.json
tracking/          only with --train.track
"""

import contextlib
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import filelock

from modou import messages, storage
from modou.messages import UserError, tell
from modou.runs import checkpoints
from modou.runs.seal import read_sealed_toml, write_sealed_toml

_FILES = ("settings.toml", "environment.json", "metrics.jsonl", "samples.jsonl", "report.html", "report.json")
_FOLDERS = ("tokenizer", "corpus", "stages", "checkpoints", "tracking")
_LOCK = ".lock"
_OWNER = ".owner.json"
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that file managers leave everywhere."""


class RunFolder:
    """Paths, settings and lock of one run. The constructor does not touch the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "settings.toml"
        self.environment = path / "environment.json"
        self.tokenizer = path / "tokenizer"
        self.card = self.tokenizer / "card.json"
        self.corpus = path / "corpus"
        self.tokens = self.corpus / "tokens"
        self.stages = path / "stages"
        self.metrics = path / "metrics.jsonl"
        self.samples = path / "samples.jsonl"
        self.checkpoints = path / "checkpoints"
        self.tracking = path / "tracking"
        self.report_html = path / "report.html"
        self.report_json = path / "report.json"

    def exists(self) -> bool:
        """Whether the folder contains a run, that is, settings.toml."""
        return self.settings.is_file()

    def require(self) -> None:
        """UserError unless the folder contains a run."""
        if not self.exists():
            raise UserError("storage.not_a_run", path=self.path)

    def create(self) -> None:
        """Creates the folder. UserError: it is a file, contains other files than a run's, or cannot be written."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError("storage.run_is_a_file", path=self.path)
        with storage.user_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            foreign = [] if self.exists() else sorted(p.name for p in self.path.iterdir() if _is_foreign(p))
        if foreign:
            entries = ", ".join(foreign[:3]) + (" …" if len(foreign) > 3 else "")
            raise UserError("storage.run_is_foreign", path=self.path, entries=entries)
        # Permission bits are not reliable (root, network disks, Windows): only writing a file shows whether it works.
        probe = storage.temporary_name(self.path / "probe")
        with storage.user_errors(self.path):
            storage.write_bytes_synced(probe, b"")
            probe.unlink()

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Locks the existing folder for this process; the system releases the lock if the process dies.

        UserError: it is locked, by which process.
        """
        held = filelock.FileLock(self.path / _LOCK)
        owner = self.path / _OWNER
        with storage.user_errors(self.path / _LOCK):
            try:
                held.acquire(timeout=0)
            except filelock.Timeout:  # an OSError, too
                raise UserError("storage.locked", path=self.path, owner=_describe_owner(owner)) from None
        try:
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            storage.write_json_atomically(owner, {"pid": os.getpid(), "started": started})
            yield
        finally:
            with contextlib.suppress(OSError):
                owner.unlink(missing_ok=True)
            held.release()

    def read_settings(self) -> dict[str, Any]:
        """The tables of settings.toml. UserError: not a run folder, not TOML, or edited."""
        self.require()
        return read_sealed_toml(self.settings)

    def write_settings(self, values: dict[str, Any]) -> None:
        """Replaces settings.toml."""
        write_sealed_toml(self.settings, values)


def _is_foreign(path: Path) -> bool:
    ours = path.name in (*_FILES, *_FOLDERS, _LOCK, _OWNER, *LITTER)
    return not ours and not storage.is_temporary(path)


def _describe_owner(path: Path) -> str:
    try:
        owner = storage.read_json(path)
        return f"pid {owner['pid']}, {owner['started']}"
    except (UserError, KeyError, TypeError):
        return "pid ?"


def find_checkpoint(run: RunFolder, which: str | int = "best") -> checkpoints.Found:
    """An intact checkpoint of a run: "best" (if damaged, the newest), "latest", or that of a step.

    Where a damaged one would have been taken, the user is told so, and which is used instead.
    UserError: no run, no checkpoint, no such step, damaged.
    """
    run.require()
    if isinstance(which, int):
        known = checkpoints.steps(run.checkpoints)
        if which not in known:
            listed = ", ".join(map(str, known)) or "-"
            raise UserError("storage.no_such_step", folder=run.checkpoints, step=which, steps=listed)
        path = run.checkpoints / checkpoints.folder_name(which)
        problem = checkpoints.verify(path)
        if problem:
            raise UserError("storage.damaged", reason=problem)
        return checkpoints.Found(path, which)
    assert which in ("best", "latest")
    found = checkpoints.best(run.checkpoints) if which == "best" else checkpoints.newest(run.checkpoints)
    if found is None:
        raise UserError("storage.no_checkpoint", folder=run.checkpoints)
    for problem in found.problems:
        tell(messages.text("storage.used_instead", problem=problem, step=found.step))
    return found
