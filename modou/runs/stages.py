"""Records of completed stages: their metrics, and size and SHA-256 of every file that later stages use.

    stages/clean.json, tokenizer.json, shards.json, plan.json, train.json, evaluate.json, report.json

A stage is done if its record and files are intact; otherwise it is run again. Code that uses these files first calls
`require_stage`, so that changed files are never trained or evaluated on.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import ConfigDict, Field, Strict

from modou import messages, storage
from modou.messages import UserError, quoted, tell
from modou.runs.folder import RunFolder
from modou.runs.record import Record, input_word
from modou.runs.seal import read_sealed_json, write_sealed_json

T = TypeVar("T")


@dataclass(frozen=True)
class StageRecord:
    """A completed stage."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    numbers: dict[str, Any]
    """Its figures."""
    files: dict[str, tuple[Annotated[int, Strict(), Field(ge=0)], Annotated[str, Strict()]]]
    """Each file it made, by the path in the run folder: size in bytes and SHA-256."""


def stage_file(run: RunFolder, stage: str) -> Path:
    """The path of a stage's record."""
    return run.stages / f"{stage}.json"


def write_stage(run: RunFolder, stage: str, found: object, files: Iterable[Path] = ()) -> None:
    """Records that a stage is done: its figures, a dataclass, and the files it wrote (inside the run folder)."""
    with storage.user_errors(run.path):
        hashed = {
            file.relative_to(run.path).as_posix(): [file.stat().st_size, storage.sha256_file(file)] for file in files
        }
    write_sealed_json(stage_file(run, stage), {"numbers": storage.to_json(found), "files": hashed})


def read_stage(run: RunFolder, stage: str) -> StageRecord | None:
    """The record of a stage; None if there is none. UserError: the record itself is damaged."""
    path = stage_file(run, stage)
    if not path.exists():
        return None
    record = storage.parse_written(StageRecord, read_sealed_json(path), path)
    if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in record.files):
        raise UserError("storage.not_as_written", path=path)  # a stage writes nowhere else
    return record


def damage(run: RunFolder, stage: str, below: str = "") -> str | None:
    """What is wrong with a stage that was done once, as a sentence; None where all is whole, or it was never done.

    `below`: only files whose names begin so.
    """
    try:
        found = read_stage(run, stage)
    except UserError as error:
        return str(error)
    if found and (damaged := _damaged_files(run, found, below)):
        return messages.text("storage.not_as_written", path=damaged[0])
    return None


def _damaged_files(run: RunFolder, record: StageRecord, below: str = "") -> list[Path]:
    """The files of a stage that are missing or not as it wrote them."""
    found: list[Path] = []
    for name, (size, sha256) in record.files.items():
        path = run.path / name
        try:
            whole = path.is_file() and path.stat().st_size == size and storage.sha256_file(path) == sha256
        except OSError:
            whole = False
        if not whole and name.startswith(below):
            found.append(path)
    return found


def remove_damaged(run: RunFolder, stage: str) -> None:
    """Deletes the files of a stage that are not as it wrote them: a link or a pipe in place of one must not be written
    to. UserError: there is a folder in place of a file."""
    found = None
    with contextlib.suppress(UserError):  # a record that is damaged names none
        found = read_stage(run, stage)
    for path in _damaged_files(run, found) if found else ():
        with storage.user_errors(path):
            path.unlink(missing_ok=True)


def done(run: RunFolder, stage: str) -> StageRecord | None:
    """The record of a stage that is done and intact; None: it is to be run (again)."""
    return None if damage(run, stage) else read_stage(run, stage)


def known(run: RunFolder, stage: str, form: type[T]) -> T | None:
    """The figures of a stage; None, and the user is told, where they are damaged or lost."""
    try:
        return figures(run, stage, form)
    except UserError:
        tell(damage(run, stage) or messages.text("storage.not_as_written", path=stage_file(run, stage)))
        return None


def figures(run: RunFolder, stage: str, form: type[T]) -> T:
    """The figures of a stage as the dataclass `form`. UserError: it is not done, damaged, or of another form."""
    return storage.parse_written(form, require_stage(run, stage).numbers, stage_file(run, stage))


def require_stage(run: RunFolder, stage: str) -> StageRecord:
    """The record of a stage whose files are about to be used. UserError: not done, or damaged."""
    problem = damage(run, stage)
    if problem:
        raise UserError("storage.stage_damaged", reason=problem, remedy=remedy(run, stage))
    found = read_stage(run, stage)
    if found is None:
        raise UserError("storage.stage_missing", path=stage_file(run, stage), remedy=remedy(run, stage))
    return found


def remedy(run: RunFolder, stage: str) -> str:
    """The command that makes a stage, again if need be."""
    record = Record[Any].read(run)
    if stage == "clean" or (stage in ("data", "train") and "book" not in record.inputs):  # it asks for its inputs
        paths = [*(source.path for source in record.inputs.values()), str(run.path)]
        names = (input_word(record.method, name) for name in record.inputs)
        options = [*(name if name.startswith("--") else "" for name in names), "--out"]
        words = (f"{option} {quoted(path, plain=True)}".strip() for option, path in zip(options, paths, strict=True))
        return " ".join(["modou", "clean" if stage == "clean" else record.method, *words])
    command = {"shards": "tokenizer", "train": record.method}.get(stage, stage)
    return f"modou {command} {quoted(str(run.path), plain=True)}"


def require_tokenizer(run: RunFolder, files: str = "tokenizer/") -> None:
    """UserError where a file of the run's tokenizer is not what the stage wrote that made it; `files`: those whose
    names begin so. What no stage has recorded is taken as it is."""
    for stage in ("tokenizer", "shards", "data"):
        try:
            read_stage(run, stage)
        except UserError as error:  # the record cannot vouch for them, which is not to say that they are damaged
            tell(str(error))
            continue
        if problem := damage(run, stage, files):
            raise UserError("storage.stage_damaged", reason=problem, remedy=remedy(run, stage))


def forget_stages(run: RunFolder, stages: Iterable[str]) -> None:
    """Deletes records, so that the stages are run again."""
    for path in (stage_file(run, stage) for stage in stages):
        with storage.user_errors(path):
            path.unlink(missing_ok=True)
