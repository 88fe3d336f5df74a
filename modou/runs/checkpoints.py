"""Checkpoints, written atomically and verified when read.

`save` writes to a temporary folder, fsyncs each file, writes manifest.json (size and SHA-256 of each), reads everything
back, renames the folder to step-00001200, fsyncs the parent, updates `best` and `latest`, and only then deletes older
checkpoints. Readers take the largest step whose manifest verifies, so that a crash at any time leaves the state before
or after a save. Tensors are safetensors, all else is JSON: nothing is unpickled.

    checkpoints/step-00001200/{model.safetensors, optimizer.safetensors, state.json, manifest.json}
    checkpoints/best, checkpoints/latest        text files with the name of a folder
"""

import contextlib
import hashlib
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import safetensors
import safetensors.torch
from pydantic import ConfigDict, Field, Strict
from torch import Tensor

from modou import messages, storage
from modou.messages import UserError
from modou.runs.state import NAME as _STATE
from modou.runs.state import CheckpointState, read_values, unfit
from modou.runs.tensor_file import write_tensors

_FOLDER = re.compile(r"step-(\d{8,})")
_STEM = re.compile(r"[a-z][a-z0-9_]*")
_MANIFEST = "manifest.json"
_SUFFIX = ".safetensors"
_FORMAT = 1
_LARGEST = 1 << 38
"""Bytes of a file of a checkpoint, at most: a manifest that says more is not ours."""
_POINTER = 1000
"""Bytes of `best` and `latest`, at most."""


@dataclass(frozen=True)
class _Entry:
    """What the manifest says of a file."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    size: Annotated[int, Strict(), Field(ge=0, lt=_LARGEST)]
    sha256: Annotated[str, Strict(), Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class _Manifest:
    """manifest.json."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    format: Literal[1]
    files: dict[str, _Entry]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a checkpoint; str() gives it as a sentence in the current language."""

    path: Path
    key: str
    file: str

    def __str__(self) -> str:
        return messages.text(self.key, path=self.path, file=self.file)


@dataclass(frozen=True)
class Found:
    """A verified checkpoint, and the problems of damaged ones that would have been preferred."""

    path: Path
    step: int
    problems: tuple[Problem, ...] = ()


def folder_name(step: int) -> str:
    """The name of a step's folder: step-00001200."""
    return f"step-{step:08d}"


def step_of(path: Path) -> int | None:
    """The step in a checkpoint folder's name; None for any other name."""
    match = _FOLDER.fullmatch(path.name)
    return int(match[1]) if match and folder_name(int(match[1])) == path.name else None


def steps(folder: Path) -> list[int]:
    """The steps that have a checkpoint folder, intact or damaged, ascending. `folder` need not exist."""
    with storage.user_errors(folder):
        found = [step_of(path) for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(step for step in found if step is not None)


def verify(path: Path, contents: bool = True) -> Problem | None:
    """The first problem of a checkpoint; None if it is intact. contents: compare SHA-256 too, not only sizes."""
    entries = _manifest(path)
    if isinstance(entries, Problem):
        return entries
    for name, entry in entries.items():
        problem = _verify_file(path, name, entry, contents)
        if problem:
            return problem
    return None


def manifest_file(path: Path) -> Path:
    """The manifest of the checkpoint at `path`, which lists the hash of every other file."""
    return path / _MANIFEST


def _verify_file(path: Path, name: str, entry: _Entry, contents: bool) -> Problem | None:
    try:
        found = (path / name).stat()
        if not stat.S_ISREG(found.st_mode):  # a device may never end
            return Problem(path, "storage.file_unreadable", name)
        if found.st_size != entry.size:
            return Problem(path, "storage.file_size", name)
        if contents and storage.sha256_file(path / name) != entry.sha256:
            return Problem(path, "storage.file_hash", name)
    except FileNotFoundError:
        return Problem(path, "storage.file_missing", name)
    except OSError:
        return Problem(path, "storage.file_unreadable", name)
    return None


def _manifest(path: Path) -> dict[str, _Entry] | Problem:
    """The files of a checkpoint."""
    try:
        data = storage.read_bytes(path / _MANIFEST, storage.SMALL)
    except UserError as error:
        key = "storage.file_missing" if storage.is_missing(error) else "storage.file_unreadable"
        return Problem(path, key, _MANIFEST)
    with contextlib.suppress(ValueError):  # not JSON, or not of this form: the same to the reader as another format
        files = storage.parse_form(_Manifest, storage.parse_json(data)).files
        if _STATE in files and all(Path(name).name == name for name in files):
            return files
    return Problem(path, "storage.manifest_bad", _MANIFEST)


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    keep: int = 3,
    best: bool = False,
) -> Path:
    """Writes a checkpoint and returns its path; creates `folder`.

    tensors: file stem ("model", "optimizer", "average") -> name -> tensor on any device; no two of a group may
        share memory.
    state: JSON values. keep: number of newest checkpoints to keep, besides the one named by `best`.
    An intact checkpoint of the same step is not written again; a damaged one is replaced.
    UserError (disk full, no permission, read-only): earlier checkpoints are untouched, no partial one remains.
    """
    assert keep >= 1 and step >= 0 and all(_STEM.fullmatch(stem) for stem in tensors)
    path = folder / folder_name(step)
    with storage.user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        whole = path.is_dir() and verify(path) is None
    if not whole:
        _write(path, tensors, state)
    point(folder, step, step if best else None)
    _purge(folder, step, keep)
    return path


def point(folder: Path, latest: int, best: int | None) -> None:
    """Let `latest`, and `best` where it is known, name the checkpoints of these steps: a saver may die before that."""
    for name, step in (("best", best), ("latest", latest)):
        if step is not None:
            storage.write_text_atomically(folder / name, folder_name(step) + "\n")


def _write(path: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
    temporary = storage.temporary_name(path)
    with storage.user_errors(path):
        try:
            if temporary.is_dir():
                shutil.rmtree(temporary)
            temporary.mkdir()
            entries: dict[str, dict[str, Any]] = {}
            for stem, group in tensors.items():
                packed = {name: tensor.detach().cpu().contiguous() for name, tensor in group.items()}
                size, sha256 = write_tensors(temporary / (stem + _SUFFIX), packed)
                entries[stem + _SUFFIX] = {"size": size, "sha256": sha256}
            entries[_STATE] = _put(temporary / _STATE, storage.json_text(dict(state)).encode("utf-8"))
            # Without a newline at the end, a manifest truncated by one byte does not parse.
            manifest = storage.json_text({"format": _FORMAT, "files": entries})
            _put(temporary / _MANIFEST, manifest.encode("utf-8"))
            storage.sync_folder(temporary)
            problem = verify(temporary)
            if problem:
                raise UserError("storage.damaged", reason=problem)
            if path.is_dir():
                _remove(path)
            temporary.rename(path)
            storage.sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                shutil.rmtree(temporary, ignore_errors=True)
            raise


def _put(path: Path, data: bytes) -> dict[str, Any]:
    storage.write_bytes_synced(path, data)
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _remove(path: Path) -> None:
    """Deletes a checkpoint. It is renamed first, so that no partial one has a checkpoint's name."""
    doomed = storage.temporary_name(path.with_name(path.name + "-removed"))
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    # On failure clean_up tries again at the next start.
    shutil.rmtree(doomed, ignore_errors=True)


def _purge(folder: Path, saved: int, keep: int) -> None:
    """Deletes all but the newest `keep` intact checkpoints, the best, and the one just saved."""
    # A failure here must not fail the save; the next save tries again.
    with contextlib.suppress(OSError, UserError):
        present = steps(folder)
        whole = [step for step in present if verify(folder / folder_name(step), contents=False) is None]
        kept = {saved, *whole[-keep:], _pointer(folder, "best"), *_wish(folder).steps}
        for step in present:
            if step not in kept:
                _remove(folder / folder_name(step))


def clean_up(folder: Path) -> None:
    """Deletes the temporary files of crashed saves. Only for the holder of the run's lock."""
    with storage.user_errors(folder):
        for path in folder.iterdir() if folder.is_dir() else ():
            if storage.is_temporary(path):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def newest(folder: Path) -> Found | None:
    """The intact checkpoint of the largest step; None if there are no checkpoints.

    Its `problems` are those of later, damaged ones. UserError: all are damaged.
    """
    return _first_whole(folder, prefer_best=False)


def best(folder: Path) -> Found | None:
    """The best checkpoint if it verifies, else the newest that does, with the reasons in `problems`.

    Which one is best, the file `best` and the state of the newest checkpoint say; where they differ, the state holds.
    """
    return _first_whole(folder, prefer_best=True)


@dataclass(frozen=True)
class _Wish:
    """The steps to look at first, and why the first is not what the file `best` names."""

    steps: tuple[int, ...] = ()
    problem: Problem | None = None


def _wish(folder: Path) -> _Wish:
    named = None
    with contextlib.suppress(UserError):
        named = _pointer(folder, "best")
    at, told = _told_best(folder)
    if at is None or named == told:
        return _Wish(() if named is None else (named,))
    if named is not None and named > at:  # saved later than the newest state that can still be read
        return _Wish((named,) if told is None else (named, told))
    problem = Problem(folder, "storage.best_missing" if named is None else "storage.best_wrong", "best")
    return _Wish(() if told is None else (told,), problem)


def _told_best(folder: Path) -> tuple[int | None, int | None]:
    """(step of the newest state that verifies, the best step that it tells); None where there is none."""
    for step in reversed(steps(folder)):
        path = folder / folder_name(step)
        entries = _manifest(path)
        if isinstance(entries, Problem) or _verify_file(path, _STATE, entries[_STATE], True):
            continue
        with contextlib.suppress(UserError):  # another version's, or no state of a training
            progress = CheckpointState.read(path).progress
            return step, None if progress.best is None else progress.best_step
    return None, None


def _first_whole(folder: Path, prefer_best: bool) -> Found | None:
    while True:
        wish = _wish(folder) if prefer_best else _Wish()
        order = list(dict.fromkeys([*wish.steps, *reversed(steps(folder))]))
        damaged: dict[int, Problem] = {}
        found: int | None = None
        for step in order:
            problem = verify(folder / folder_name(step))
            if problem is None:
                found = step
                break
            damaged[step] = problem
        # A running trainer may have deleted some meanwhile: those are not damaged.
        present = steps(folder)
        if prefer_best and _wish(folder) != wish:
            continue
        problems = tuple(p for step, p in damaged.items() if step in present or step in wish.steps)
        if wish.problem is not None:
            problems = (wish.problem, *problems)
        if found is not None:
            return Found(folder / folder_name(found), found, problems)
        if not present:
            return None
        if set(present) <= set(damaged):
            reasons = "; ".join(str(problem) for problem in problems)
            raise UserError("storage.all_damaged", folder=folder, reasons=reasons)


def problem_of_latest(folder: Path) -> Problem | None:
    """What is wrong with the file `latest`: nobody needs it but to see that the newest checkpoint is gone."""
    with contextlib.suppress(UserError):
        if _pointer(folder, "latest") in steps(folder):
            return None
    return Problem(folder, "storage.latest_wrong", "latest")


def _pointer(folder: Path, name: str) -> int | None:
    """The step that the file `best` or `latest` names; None: it is missing or names none. UserError: unreadable."""
    try:
        data = storage.read_bytes(folder / name, _POINTER)
    except UserError as error:
        if storage.is_missing(error):
            return None
        raise
    return step_of(Path(data.decode("utf-8", errors="replace").strip()))


def load(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """All groups of tensors of a checkpoint, on the CPU, and its state. UserError: damaged."""
    return {group: _read_group(path, group) for group in _intact_groups(path)}, read_state(path)


def load_group(path: Path, group: str) -> dict[str, Tensor]:
    """One group of tensors ("model", "average"), on the CPU. UserError: damaged, no such group."""
    groups = _intact_groups(path)
    if group not in groups:
        raise UserError("storage.no_such_group", path=path, group=group, groups=", ".join(groups))
    return _read_group(path, group)


def read_state(path: Path) -> dict[str, Any]:
    """state.json as it stands there; `CheckpointState.read` gives it a form. UserError: missing, no JSON object."""
    return read_values(path)


def _intact_groups(path: Path) -> list[str]:
    entries = _manifest(path)
    problem = entries if isinstance(entries, Problem) else verify(path)
    if isinstance(entries, Problem) or problem:
        raise UserError("storage.damaged", reason=problem)
    return [name.removesuffix(_SUFFIX) for name in entries if name.endswith(_SUFFIX)]


def _read_group(path: Path, stem: str) -> dict[str, Tensor]:
    file = path / (stem + _SUFFIX)
    try:
        with storage.user_errors(file), unfit(path, file.name):
            if storage.without_surrogates(str(file)) != str(file):  # safetensors opens no path that is not UTF-8
                return safetensors.torch.load(file.read_bytes())
            # Cloned out of the memory map: the file may be purged while the tensors are in use.
            return {name: t.clone() for name, t in safetensors.torch.load_file(file).items()}
    except safetensors.SafetensorError:
        raise UserError("storage.damaged", reason=Problem(path, "storage.file_unreadable", file.name)) from None
