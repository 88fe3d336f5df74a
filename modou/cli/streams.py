"""Standard input, output and error: everything printed passes here, made harmless, whatever streams there are."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Generator
from typing import Any, TextIO

from modou.cli.plain import harmless, one_line
from modou.messages import UserError

PROMPT_LIMIT = 1 << 24
"""Bytes of standard input that are read as a prompt, at most: what stands there may never end."""


def prepare() -> None:
    """Puts the null device where a stream was closed, and lets characters that an encoding lacks be replaced.

    A descriptor that is left closed would be given to the next file that is opened, which then receives messages.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 (for good; no path)
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            with contextlib.suppress(OSError, ValueError):
                reconfigure(errors="replace")


def put(text: str, end: str = "\n", stream: TextIO | None = None) -> None:
    """Prints `text`, on standard output unless another stream is named, without what a terminal would obey."""
    print(harmless(text), end=end, file=stream, flush=True)


def remark(line: str) -> None:
    """One line on standard error that is no error."""
    put(one_line(line), stream=sys.stderr)


def given_input() -> TextIO:
    """Standard input. UserError: it is closed."""
    stdin: Any = sys.stdin  # None where it was closed, whatever its type says
    if stdin is None:
        raise UserError("cli.no_input")
    return stdin


def read_prompt() -> str:
    """All of standard input, without the end of its last line. UserError: closed, or more than a prompt can be."""
    data = given_input().buffer.read(PROMPT_LIMIT + 1)
    if len(data) > PROMPT_LIMIT:
        raise UserError("cli.input_too_long", most=PROMPT_LIMIT >> 20)
    return data.decode("utf-8-sig", errors="replace").removesuffix("\n").removesuffix("\r")


def is_first_process() -> bool:
    """Whether this process speaks: under torchrun only the first does."""
    return os.environ.get("RANK", "0") == "0"


class Notices(logging.Handler):
    """What the layers below tell the user (`modou.messages.tell`): shown at once, each once, and kept for --json."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.show: Callable[[str], None] = remark
        """Where to; while a run is shown, that is its display."""

    def emit(self, record: logging.LogRecord) -> None:
        """Shows the notice, unless it was shown before."""
        line = record.getMessage()
        if line not in self.lines:
            self.lines.append(line)
            if is_first_process():
                self.show(line)


notices = Notices()


@contextlib.contextmanager
def noticing() -> Generator[None]:
    """Within it, notices are shown by this console and nothing else."""
    logger = logging.getLogger("modou")
    before = logger.propagate
    logger.addHandler(notices)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(notices)
        notices.lines.clear()
        logger.propagate = before


@contextlib.contextmanager
def shown_by(show: Callable[[str], None]) -> Generator[None]:
    """Within it, `show` shows notices."""
    before, notices.show = notices.show, show
    try:
        yield
    finally:
        notices.show = before
