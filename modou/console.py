"""Everything that modou says to a person or a program passes through here (and the other console files)."""

import contextlib
import json
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from modou.console_text import harmless, one_line
from modou.messages import text

if TYPE_CHECKING:
    from modou.console_live import Display
    from modou.console_words import Event


def prepare_streams() -> None:
    """Characters that a stream's encoding lacks are replaced instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            with contextlib.suppress(OSError, ValueError):
                reconfigure(errors="replace")


def say(page: str) -> None:
    """Text on standard output."""
    print(page, flush=True)


def remark(line: str) -> None:
    """One line on standard error that is no error."""
    print(one_line(line), file=sys.stderr, flush=True)


def fail(message: str) -> None:
    """The one line of an error."""
    print(f"modou: {one_line(message)}", file=sys.stderr, flush=True)


def fail_internally() -> None:
    """The trace of an error of ours, and where to report it."""
    print(traceback.format_exc(), file=sys.stderr)
    fail(text("cli.internal"))


def print_json(values: Any) -> None:
    """One JSON object and nothing else on standard output. NaN and infinities are null."""
    from modou.report.values import finite

    print(json.dumps(finite(values), ensure_ascii=False, indent=2, default=str), flush=True)


def page_width() -> int:
    """Cells a help page may take."""
    return max(40, min(100, shutil.get_terminal_size((80, 24)).columns - 1))


def is_first_process() -> bool:
    """Whether this process speaks: under torchrun only the first does."""
    return os.environ.get("RANK", "0") == "0"


@dataclass
class Outcome:
    """What a stream of events came to."""

    stages: dict[str, Any] = field(default_factory=dict[str, Any])
    notices: list[str] = field(default_factory=list[str])
    folder: Path | None = None
    report: dict[str, Any] = field(default_factory=dict[str, Any])
    interrupted: bool = False

    def take(self, event: "Event") -> None:
        """One event more."""
        from modou.pipeline.events import Notice, RunEnded, StageEnded
        from modou.train.events import Ended

        match event:
            case StageEnded():
                self.stages[event.stage] = event.numbers
            case Notice():
                self.notices.append(event.text)
            case RunEnded():
                self.folder, self.report = event.folder, event.report
                self.interrupted = self.interrupted or not event.finished
            case Ended():
                self.interrupted = event.reason == "interrupted"
            case _:
                pass

    def to_json(self) -> dict[str, Any]:
        """The report of a run that ended; else what its stages found."""
        values = dict(self.report) if self.report else dict(self.stages)
        if self.folder is not None:
            values["run"] = {**values.get("run", {}), "folder": str(self.folder), "finished": not self.interrupted}
        return {**values, "notices": self.notices}


def make_display(as_json: bool) -> "Display":
    """Live on a terminal, plain elsewhere; with `as_json` on standard error, which leaves the other to the object."""
    from rich.console import Console

    from modou.console_live import LiveDisplay, PlainDisplay, SilentDisplay

    if not is_first_process():
        return SilentDisplay()
    stream: TextIO = sys.stderr if as_json else sys.stdout
    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    # A terminal without cursor movement (TERM=dumb) would show every frame of the panel as new lines.
    return LiveDisplay(console) if console.is_terminal and not console.is_dumb_terminal else PlainDisplay(stream)


def watch(events: Iterator["Event"], display: "Display", stop_asked: Callable[[], bool] = lambda: False) -> Outcome:
    """Shows the events to their end. KeyboardInterrupt: a stop was asked for where no training would see it."""
    from modou.train.events import Ended, Started

    outcome = Outcome()
    training = False
    with display, _closing(events):
        for event in events:
            outcome.take(event)
            display.show(event)
            training = isinstance(event, Started) or (training and not isinstance(event, Ended))
            if stop_asked() and not training and not outcome.interrupted:
                raise KeyboardInterrupt
    return outcome


@contextlib.contextmanager
def _closing(events: Iterator["Event"]) -> Generator[None]:
    """Locks and files that the events hold are let go at once, not when memory is tidied."""
    try:
        yield
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()


class Pages:
    """Streams texts to standard output as they are written: the first at once, the others one after another."""

    def __init__(self, prompt: str, count: int) -> None:
        self._prompt, self._count = prompt, count
        self._parts: list[list[str]] = [[] for _ in range(count)]
        self._done = [False] * count
        self._on = 0

    def begin(self) -> None:
        """The head of the text that is on."""
        if self._count > 1:
            print(("\n" if self._on else "") + text("console.sample_number", number=self._on + 1))
        print(harmless(self._prompt), end="", flush=True)

    def push(self, sample: int, piece: str, done: bool) -> None:
        """A piece of a text."""
        self._parts[sample].append(harmless(piece))
        self._done[sample] = done
        while self._on < self._count:
            print("".join(self._parts[self._on]), end="", flush=True)
            self._parts[self._on].clear()
            if not self._done[self._on]:
                return
            print(flush=True)
            self._on += 1
            if self._on < self._count:
                self.begin()


def say_facts(found: dict[str, Any]) -> None:
    """Nested facts, one a line, and then the remarks."""
    from modou.report.values import flattened

    facts = {name: value for name, value in found.items() if name != "remarks"}
    for name, value in flattened(facts):
        shown = f"{float(value):.1f}" if re.fullmatch(r"\d+\.\d{2,}", value) else one_line(value)
        print(f"  {name}: {shown}")
    for line in found.get("remarks", []):
        print(f"- {one_line(line)}", flush=True)
