"""metrics.jsonl and samples.jsonl: lines that training appends, and that a checkpoint's state vouches for.

Every checkpoint keeps size and checksums of each log as it was then. So whoever reads a log can tell whether what was
written before the newest checkpoint is still what it was, and which lines are.
"""

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from modou import storage
from modou.messages import UserError, tell
from modou.runs import checkpoints
from modou.runs.checkpoints import Problem
from modou.runs.folder import RunFolder
from modou.runs.progress import Count
from modou.runs.state import CheckpointState, LogMark

METRICS, SAMPLES = "metrics.jsonl", "samples.jsonl"


@dataclass(frozen=True)
class _Step:
    kind: Literal["step"]
    step: Count
    seconds: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class _Numbers:
    validation: dict[str, Any]


@dataclass(frozen=True)
class _Evaluation:
    kind: Literal["evaluation"]
    step: Count
    seconds: float
    numbers: _Numbers


@dataclass(frozen=True)
class _Sample:
    step: Count
    prompt: str
    text: str


FORMS: dict[str, Any] = {METRICS: _Step | _Evaluation, SAMPLES: _Sample}
"""What a line holds at least."""


class Log:
    """One log, for the process that appends to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = 0
        self._hash = hashlib.sha256()
        self._lines: list[int] = []
        self._known = False
        """Whether size and hash are those of the file. Then each line is added to them: a log is not read again."""

    def append(self, line: str) -> None:
        """One line of JSON more. UserError: disk full, no permission."""
        line = storage.without_surrogates(line)
        storage.append_line(self.path, line)
        if self._known:
            data = line.encode("utf-8")
            self._lines.append(zlib.crc32(data))
            self._size += len(data) + 1
            self._hash.update(data + b"\n")

    def mark(self) -> LogMark:
        """What the file holds now."""
        if not self._known:
            self._know(_content(self.path))
        return LogMark(self._size, self._hash.hexdigest(), list(self._lines))

    def cut(self, mark: LogMark | None, step: int) -> Problem | None:
        """Drops the lines that were written after the checkpoint of `step` (they would be written twice).

        mark: what that checkpoint keeps of this log, if anything. Returns what is wrong with the file; the lines that
        can be read stay.
        """
        data = _content(self.path)
        lines, is_damaged = _whole_lines(data, mark, FORMS[self.path.name])
        kept = b"".join(raw + b"\n" for raw, values in lines if values["step"] <= step)
        if kept != data:
            storage.write_bytes_atomically(self.path, kept)
        self._know(kept)
        return _problem(self.path, is_damaged)

    def _know(self, data: bytes) -> None:
        self._size, self._hash, self._known = len(data), hashlib.sha256(data), True
        self._lines = [zlib.crc32(raw) for raw in data.split(b"\n")[:-1]]


def read_log(run: RunFolder, name: str) -> tuple[list[dict[str, Any]], Problem | None]:
    """The lines of a log of a run that are whole, and what is wrong with the file.

    UserError: it cannot be read at all.
    """
    path = run.path / name
    lines, is_damaged = _whole_lines(_content(path), _mark(run, name), FORMS[name])
    return [values for _, values in lines], _problem(path, is_damaged)


def lines_of(run: RunFolder, name: str) -> list[dict[str, Any]]:
    """The lines of a log of a run; where it is damaged, the user is told, and they are those that can still be read."""
    lines, problem = read_log(run, name)
    if problem is not None:
        tell(str(problem))
    return lines


def _mark(run: RunFolder, name: str) -> LogMark | None:
    """What the newest whole checkpoint keeps of a log."""
    try:
        found = checkpoints.newest(run.checkpoints)
        return None if found is None else CheckpointState.read(found.path).logs.get(name)
    except UserError:  # no checkpoint can vouch for it
        return None


def _content(path: Path) -> bytes:
    try:
        return storage.read_bytes(path, storage.LOG)
    except UserError as error:
        if storage.is_missing(error):
            return b""
        raise


def _whole_lines(data: bytes, mark: LogMark | None, form: Any) -> tuple[list[tuple[bytes, dict[str, Any]]], bool]:
    """Each line with its values, and whether the log is damaged. Then the lines are those that `mark` knows."""
    lines, unread = _lines(data, form)
    if mark is None or (len(data) >= mark.size and hashlib.sha256(data[: mark.size]).hexdigest() == mark.sha256):
        return lines, unread
    known = set(mark.lines)
    return [(raw, values) for raw, values in lines if zlib.crc32(raw) in known], True


def _lines(data: bytes, form: Any) -> tuple[list[tuple[bytes, dict[str, Any]]], bool]:
    """Each line with its values, and whether there are others, which are no lines of a log. A torn last line is what a
    kill leaves, no damage."""
    *whole, torn = data.split(b"\n")
    read = [(raw, _values(raw, form)) for raw in whole if raw.strip()]
    lines = [(raw, values) for raw, values in [*read, (torn, _values(torn, form))] if values is not None]
    return lines, any(values is None for _, values in read)


def _values(raw: bytes, form: Any) -> dict[str, Any] | None:
    """The values of a line; None: it is not of this form."""
    try:
        values = storage.parse_json(raw) if len(raw) <= storage.ROW else None
        storage.parse_form(form, values)
    except ValueError:
        return None
    return cast(dict[str, Any], values)


def _problem(path: Path, damaged: bool) -> Problem | None:
    return Problem(path.parent, "storage.log_damaged", path.name) if damaged else None
