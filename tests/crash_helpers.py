"""Ways to let file operations fail and processes die, for every test that asks what is left afterwards."""

import errno
import io
import os
import random
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

_SYSTEM_CALLS = ("fsync", "replace", "rename", "mkdir", "unlink", "rmdir", "open", "listdir", "truncate")


class Crash(BaseException):
    """The process is gone: nothing that follows, clean-up included, is carried out."""


class FailingFiles:
    """Counts file operations. That numbered `at` fails with `number`; or (`crash`) it and all after it kill.

    A crash leaves half of the data of a write in the file; `power_cut` also drops all that was never fsynced.
    """

    def __init__(self, at: int, crash: bool, number: int = errno.ENOSPC) -> None:
        self.at = at
        self.crash = crash
        self.number = number
        self.count = 0
        self.unsynced: set[int] = set()

    @property
    def fired(self) -> bool:
        return self.count > self.at

    def step(self) -> None:
        self.count += 1
        if self.crash and self.count > self.at:
            raise Crash
        if self.count == self.at + 1:
            raise OSError(self.number, os.strerror(self.number))

    def power_cut(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.is_file() and path.stat().st_ino in self.unsynced:
                os.truncate(path, path.stat().st_size // 2)


class _File:
    """A file whose writes are counted and may fail half-way."""

    def __init__(self, file: Any, failing: FailingFiles) -> None:
        self._file = file
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        self._failing.unsynced.add(os.fstat(self._file.fileno()).st_ino)
        try:
            self._failing.step()
        except BaseException:
            self._file.write(data[: len(data) // 2])
            raise
        return self._file.write(data)


@contextmanager
def failing_files(at: int, crash: bool, number: int = errno.ENOSPC) -> Iterator[FailingFiles]:
    """Within the block the file operation numbered `at` (from 0) fails once, or ends everything."""
    failing = FailingFiles(at, crash, number)

    def wrap(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def operation(*args: Any, **kwargs: Any) -> Any:
            failing.step()
            if name == "fsync":
                failing.unsynced.discard(os.fstat(args[0]).st_ino)
            return original(*args, **kwargs)

        return operation

    real_open = io.open

    def counted_open(*args: Any, **kwargs: Any) -> Any:
        failing.step()
        return _File(real_open(*args, **kwargs), failing)

    patches = [patch.object(os, name, wrap(name)) for name in _SYSTEM_CALLS]
    patches.append(patch.object(io, "open", counted_open))
    for item in patches:
        item.start()
    try:
        yield failing
    finally:
        for item in patches:
            item.stop()


class Child:
    """A forked process that runs `work(say)`; what it says arrives as lines. It never outlives the block."""

    def __init__(self, work: Callable[[Callable[[str], None]], None]) -> None:
        self._read, write = os.pipe()
        self._text = b""
        self.pid = os.fork()
        if self.pid == 0:
            status = 0
            try:
                work(lambda line: void(os.write(write, line.encode() + b"\n")))
            except BaseException:
                traceback.print_exc(file=sys.__stderr__)
                status = 1
            os._exit(status)
        os.close(write)
        self._alive = True

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.close(self._read)

    def wait_for_line(self) -> None:
        """Until it has said one more line."""
        before = self._text.count(b"\n")
        while self._text.count(b"\n") == before:
            data = os.read(self._read, 65536)
            assert data, "the child ended without a word"
            self._text += data

    def kill(self) -> int | None:
        """SIGKILL; the exit status, None if the signal ended it."""
        if self._alive:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self._alive = False
            self._status = None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return self._status

    def kill_within(self, seconds: float, dice: random.Random) -> None:
        """SIGKILL after a random share of `seconds`."""
        select.select([], [], [], dice.random() * seconds)
        self.kill()

    def lines(self) -> list[str]:
        """All whole lines said up to its end."""
        while data := os.read(self._read, 65536):
            self._text += data
        return self._text.decode().split("\n")[:-1]


def void(_: object) -> None:
    """Drop a value."""
