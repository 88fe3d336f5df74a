"""The run folder: where everything of one run lies, and all that a later command needs.

settings.toml      every resolved setting          environment.json   versions, threads, machine, corpus hash
tokenizer/         tokenizer.model + card          corpus/            cleaned text, split, cleaning report
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

from modou import storage
from modou.errors import UserError
from modou.model.gpt import GPT
from modou.model.growth import with_added_tokens
from modou.model.lora import AdaptedGPT, Adapters
from modou.model.scored import ImplicitGPT, ScoredGPT
from modou.model.step import store_for_reading
from modou.runs import checkpoints
from modou.settings.align import RewardSettings, SftSettings
from modou.settings.base import read_toml, write_toml
from modou.settings.model import ModelSettings
from modou.tokenizer.tokenizer import FILE_NAME, Tokenizer

_FILES = ("settings.toml", "environment.json", "metrics.jsonl", "samples.jsonl", "report.html", "report.json")
_FOLDERS = ("tokenizer", "corpus", "checkpoints", "tracking")
_LOCK = ".lock"
_OWNER = ".owner.json"
_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")


class RunFolder:
    """Paths, settings and lock of one run. Making the object touches nothing on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "settings.toml"
        self.environment = path / "environment.json"
        self.tokenizer = path / "tokenizer"
        self.corpus = path / "corpus"
        self.metrics = path / "metrics.jsonl"
        self.samples = path / "samples.jsonl"
        self.checkpoints = path / "checkpoints"
        self.tracking = path / "tracking"
        self.report_html = path / "report.html"
        self.report_json = path / "report.json"

    def exists(self) -> bool:
        """Whether a run was begun here: there are settings."""
        return self.settings.is_file()

    def require(self) -> None:
        """UserError unless a run was begun here."""
        if not self.exists():
            raise UserError("storage.not_a_run", path=self.path)

    def create(self) -> None:
        """Make the folder if need be; one that is there must be a run's, or hold nothing foreign.

        UserError: it is a file, holds other things, cannot be written.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError("storage.run_is_a_file", path=self.path)
        with storage.user_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            foreign = [] if self.exists() else sorted(p.name for p in self.path.iterdir() if _is_foreign(p))
        if foreign:
            entries = ", ".join(foreign[:3]) + (" …" if len(foreign) > 3 else "")
            raise UserError("storage.run_is_foreign", path=self.path, entries=entries)
        # Permission bits tell too little (root, network disks, Windows): writing a file tells it now, not at
        # the first checkpoint.
        probe = storage.temporary_name(self.path / "probe")
        with storage.user_errors(self.path):
            storage.write_bytes_synced(probe, b"")
            probe.unlink()

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Hold the run for this process; the folder must exist. UserError names the one that holds it.

        The operating system frees the lock of a process that dies, however it dies.
        """
        held = filelock.FileLock(self.path / _LOCK)
        owner = self.path / _OWNER
        with storage.user_errors(self.path):
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
        """The tables of settings.toml. UserError: not a run folder, not TOML."""
        self.require()
        return read_toml(self.settings)

    def write_settings(self, values: dict[str, Any]) -> None:
        """Replace settings.toml by nested tables of plain values."""
        storage.write_text_atomically(self.settings, write_toml(values))


def _is_foreign(path: Path) -> bool:
    ours = path.name in (*_FILES, *_FOLDERS, _LOCK, _OWNER, *_LITTER)
    return not ours and not storage.is_temporary(path)


def _describe_owner(path: Path) -> str:
    try:
        owner = storage.read_json(path)
        return f"pid {owner['pid']}, {owner['started']}"
    except (UserError, KeyError, TypeError):
        return "pid ?"


def find_checkpoint(run: RunFolder, which: str | int = "best") -> checkpoints.Found:
    """A whole checkpoint of a run: "best" (else the newest), "latest", or that of a step.

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
    return found


def method_of(run: RunFolder) -> str:
    """How a run was trained: "pretrain", or the method that aligned it ("sft" ...)."""
    return str(run.read_settings().get("run", {}).get("method", "pretrain"))


def answers(run: RunFolder) -> bool:
    """Whether its model answers a question instead of writing on."""
    return method_of(run) in ("sft", "dpo", "ppo", "grpo")


def make_model(tables: dict[str, Any]) -> GPT:
    """The kind of model that a run's settings name, its weights as new."""
    shape = ModelSettings.parse(tables.get("model", {}))
    method = tables.get("run", {}).get("method")
    if method == "reward" and RewardSettings.parse(tables.get("reward", {})).implicit:
        return ImplicitGPT(shape)
    if method in ("reward", "ppo"):
        return ScoredGPT(shape)
    sft = SftSettings.parse(tables.get("sft", {}))
    if sft.lora_rank:
        return AdaptedGPT(shape, Adapters(sft.lora_rank, sft.lora_alpha, sft.lora_dropout))
    return GPT(shape)


def load_model(run: RunFolder, which: str | int = "best", extend: bool = False) -> tuple[GPT, Tokenizer, int]:
    """The model (on the CPU, in eval mode, laid out for reading), its tokenizer, and the step it was saved at.

    `which`: see `find_checkpoint`. Adapters are merged; only a reward model keeps its score. `extend`, UserError: see
    `load_weights`.
    """
    model, tokenizer, step = load_weights(run, which, extend)
    model.eval()
    store_for_reading(model)
    return model, tokenizer, step


def load_weights(run: RunFolder, which: str | int = "best", extend: bool = False) -> tuple[GPT, Tokenizer, int]:
    """As `load_model`, with the matrices as training wants them.

    extend: a tokenizer that lacks the marks of a conversation gets them, and the model a token for each. Files stay.
    state.json tells the group of weights as "weights" (default "model") and the tokenizer's hash as "tokenizer_sha256".
    UserError: not a run, damaged, weights of another shape, another tokenizer than in training.
    """
    while True:
        found = find_checkpoint(run, which)
        try:
            state = checkpoints.read_state(found.path)
            tensors = checkpoints.load_group(found.path, str(state.get("weights", "model")))
            break
        except UserError:
            # Purged by a running trainer since it was found: look again. Damaged and still there: say so.
            if found.path.is_dir() or isinstance(which, int):
                raise
    tokenizer = Tokenizer.load(run.tokenizer, extend)
    if state.get("tokenizer_sha256") != storage.sha256_file(run.tokenizer / FILE_NAME):
        raise UserError("storage.other_tokenizer", folder=run.tokenizer)
    model = make_model(run.read_settings())
    _require_same(model.state_dict(), tensors, found.path)
    model.load_state_dict(tensors)
    if isinstance(model, AdaptedGPT):
        model = model.merged()
    elif isinstance(model, ScoredGPT) and method_of(run) != "reward":
        model = model.unscored()
    if extend:
        model = with_added_tokens(
            model, [tokenizer.encode(name) for name in tokenizer.pieces()[model.settings.vocabulary :]]
        )
    return model, tokenizer, found.step


def _require_same(expected: dict[str, Any], tensors: dict[str, Any], path: Path) -> None:
    """UserError unless both have the same names and shapes."""
    differences = [
        *(f"- {name}" for name in expected if name not in tensors),
        *(f"+ {name}" for name in tensors if name not in expected),
        *(
            f"{name}: {tuple(tensors[name].shape)} ≠ {tuple(expected[name].shape)}"
            for name in expected
            if name in tensors and tensors[name].shape != expected[name].shape
        ),
    ]
    if differences:
        shown = ", ".join(differences[:4]) + (f" … ({len(differences)})" if len(differences) > 4 else "")
        raise UserError("storage.tensors_differ", path=path, differences=shown)
