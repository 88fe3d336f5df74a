"""Standard input, output and error. Everything printed passes through `put`, which removes control characters."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Generator
from typing import Any, TextIO

from modou.cli.plain import harmless, one_line
from modou.messages import UserError

PROMPT_LIMIT = 1 << 24
"""Maximum size of a prompt from standard input, in bytes: the input may be endless."""


def prepare() -> None:
    """Opens the null device for closed streams, and replaces characters that an encoding lacks.

    A closed descriptor would be reused by the next opened file, which would then receive the messages.
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
    """Prints `text` without control characters, on standard output unless another stream is given."""
    print(harmless(text), end=end, file=stream, flush=True)


def remark(line: str) -> None:
    """Prints one line on standard error."""
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
    """Whether this process prints: under torchrun only the first does."""
    return os.environ.get("RANK", "0") == "0"


class Notices(logging.Handler):
    """Notices of `modou.messages.tell`: each is shown once, immediately, and kept for --json."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self.show: Callable[[str], None] = remark
        """How to show one; while a run is displayed, that is the display's `tell`."""

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
