"""state.json of a checkpoint, read into a dataclass that holds all of it, or refused.

    {"format": 1, "weights": "average", "progress": {...}, "objective": {...}, "logs": {"metrics.jsonl": {...}},
     "world": 1, "threads": 2, "torch": "2.11", "tokenizer_sha256": "...", "corpus_sha256": "...", ...}

Whatever ends in _sha256 names what the run was trained on and with.
"""

import contextlib
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import ConfigDict, Field, Strict

from modou import storage
from modou.messages import UserError
from modou.runs.progress import Count, Progress, Word

NAME = "state.json"
FORMAT = 1
_HASH = "_sha256"


@dataclass(frozen=True)
class LogMark:
    """What a log was when the checkpoint was saved: its size in bytes, their sha256, and the CRC-32 of each line, which
    tells the lines that are still whole from those that are not."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    size: Count
    sha256: Word
    lines: list[Count]


@dataclass(frozen=True)
class CheckpointState:
    """All that a checkpoint holds beside tensors."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    progress: Progress
    weights: Annotated[str, Strict(), Field(pattern="^[a-z][a-z0-9_]{0,40}$")]
    """The group of tensors to use the model with."""
    hashes: dict[Word, Word]
    objective: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the objective must remember; only the objective knows it."""
    logs: dict[Word, LogMark] = field(default_factory=dict[str, LogMark])
    """By the file's name. Empty in checkpoints of versions that did not keep it."""
    format: Count = FORMAT
    world: Count = 1
    """Processes that trained."""
    threads: Count = 0
    torch: Word = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, the hashes beside the rest."""
        return {
            "format": self.format,
            **self.hashes,
            "weights": self.weights,
            "progress": self.progress.to_json(),
            "objective": self.objective,
            "logs": {name: asdict(mark) for name, mark in self.logs.items()},
            "world": self.world,
            "threads": self.threads,
            "torch": self.torch,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Back from plain values. ValueError: they are not of this form."""
        hashes = {name: value for name, value in values.items() if name.endswith(_HASH)}
        rest = {name: value for name, value in values.items() if name not in hashes}
        state = storage.parse_form(cls, {**rest, "hashes": hashes})
        Progress.from_json(rest["progress"])  # which also compares the counters
        return state

    @classmethod
    def read(cls, path: Path) -> Self:
        """Of the checkpoint at `path`. UserError: missing, damaged, of another version of this program."""
        values = read_values(path)
        with unfit(path, NAME):
            if values.get("format", FORMAT) != FORMAT:
                raise UserError("train.other_format", path=path, format=values["format"])
            return cls.from_json(values)


def read_values(path: Path) -> dict[str, Any]:
    """state.json of the checkpoint at `path` as it stands there. UserError: missing, no JSON object."""
    try:
        values = storage.read_json(path / NAME)
    except UserError as error:
        if storage.is_missing(error):
            raise
        values = None
    if not isinstance(values, dict):
        raise UserError("storage.state_bad", path=path, file=NAME)
    return cast(dict[str, Any], values)


@contextlib.contextmanager
def unfit(path: Path, file: str) -> Generator[None]:
    """What Python raises over values of another form, as the UserError that `file` of a checkpoint is damaged."""
    try:
        yield
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError, OverflowError) as error:
        raise UserError("storage.state_bad", path=path, file=file) from error
