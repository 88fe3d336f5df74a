"""metrics.jsonl and samples.jsonl: lines that training appends, and that a checkpoint's state vouches for.

Every checkpoint keeps the size and sha256 of each log as it was then. So whoever reads a log can tell whether what was
written before the newest checkpoint is still what it was.
"""

import hashlib
from pathlib import Path
from typing import Any, cast

from modou import storage
from modou.errors import UserError
from modou.runs import checkpoints
from modou.runs.checkpoints import Problem
from modou.runs.folder import RunFolder
from modou.runs.state import CheckpointState, LogMark

METRICS, SAMPLES = "metrics.jsonl", "samples.jsonl"


class Log:
    """One log, for the process that appends to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = 0
        self._hash = hashlib.sha256()
        self._known = False
        """Whether size and hash are those of the file. Then each line is added to them: a log is not read again."""

    def append(self, line: str) -> None:
        """One line of JSON more. UserError: disk full, no permission."""
        line = storage.without_surrogates(line)
        storage.append_line(self.path, line)
        if self._known:
            data = line.encode("utf-8") + b"\n"
            self._size += len(data)
            self._hash.update(data)

    def mark(self) -> LogMark:
        """What the file holds now."""
        if not self._known:
            self._know(_content(self.path))
        return LogMark(self._size, self._hash.hexdigest())

    def cut(self, mark: LogMark | None, step: int) -> Problem | None:
        """Drops the lines that were written after the checkpoint of `step` (they would be written twice).

        mark: what that checkpoint keeps of this log, if anything. Returns what is wrong with the file; the lines that
        can be read stay.
        """
        data = _content(self.path)
        whole = data[: mark.size] if mark is not None and _fits(data, mark) else b""
        lines, unread = _lines(data[len(whole) :])
        kept = whole + b"".join(raw + b"\n" for raw, values in lines if values["step"] <= step)
        if kept != data:
            storage.write_bytes_atomically(self.path, kept)
        self._know(kept)
        return _problem(self.path, unread or (mark is not None and not _fits(data, mark)))

    def _know(self, data: bytes) -> None:
        self._size, self._hash, self._known = len(data), hashlib.sha256(data), True


def read_log(run: RunFolder, name: str) -> tuple[list[dict[str, Any]], Problem | None]:
    """The lines of a log of a run, as far as they can be read, and what is wrong with the file.

    UserError: it cannot be read at all.
    """
    path = run.path / name
    data = _content(path)
    lines, unread = _lines(data)
    mark = _mark(run, name)
    return [values for _, values in lines], _problem(path, unread or (mark is not None and not _fits(data, mark)))


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


def _lines(data: bytes) -> tuple[list[tuple[bytes, dict[str, Any]]], bool]:
    """Each line with its values, and whether there are others, which are no lines of a log. A torn last line is what a
    kill leaves, no damage."""
    *whole, torn = data.split(b"\n")
    read = [(raw, _values(raw)) for raw in whole if raw.strip()]
    lines = [(raw, values) for raw, values in [*read, (torn, _values(torn))] if values is not None]
    return lines, any(values is None for _, values in read)


def _values(raw: bytes) -> dict[str, Any] | None:
    """A line of a log tells its step; None: this one does not."""
    try:
        values = storage.parse_json(raw) if len(raw) <= storage.ROW else None
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    line = cast(dict[str, Any], values)
    step = line.get("step")
    return line if isinstance(step, int) and not isinstance(step, bool) else None


def _fits(data: bytes, mark: LogMark) -> bool:
    """Whether the log begins with what it held then."""
    return len(data) >= mark.size and hashlib.sha256(data[: mark.size]).hexdigest() == mark.sha256


def _problem(path: Path, damaged: bool) -> Problem | None:
    return Problem(path.parent, "storage.log_damaged", path.name) if damaged else None
