"""The displays of a run: a live panel on a terminal, plain lines every few seconds elsewhere."""

import shutil
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from modou.cli.plain import harmless, one_line
from modou.cli.progress import StageState, TrainingState
from modou.cli.streams import put, remark
from modou.cli.words import Narrator
from modou.messages import text
from modou.train.events import Event, RunEnded, Sample, StageBegan, StageEnded, StageProgress, Stepped

_SAMPLE_LINES = 6
_SECONDS = 5.0
_WIDTH = 120
"""Cells of a line where there is no terminal."""


class Display:
    """What a run is shown on. This one shows nothing: that of every process of torchrun but the first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None:
        """Shows an event."""

    def tell(self, notice: str) -> None:
        """Shows a notice from the layers below."""

    def stopping(self) -> None:
        """A signal asked to stop. Called inside a signal handler."""


class PlainDisplay(Display):
    """Lines without control codes: for files, pipes, and programs. `changes`: with a table of what cleaning changed."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, changes: bool = False) -> None:
        self._stream, self._clock = stream, clock
        self._narrator = Narrator(shutil.get_terminal_size((_WIDTH, 24)).columns if changes else 0)
        self._state, self._stage = TrainingState(clock), StageState(clock)
        self._said = -_SECONDS
        self._stop = False

    def show(self, event: Event) -> None:
        """The event's lines; progress only when some seconds have passed since it was last shown, a step also at the
        end."""
        self._state.take(event)
        self._stage.take(event)
        if self._stop:
            self._stop = False
            self._write(text("cli.stopping"))
        for line in self._narrator.lines(event):
            self._write(line)
        words, last = self._narrator.words, isinstance(event, Stepped) and event.step == event.steps
        if isinstance(event, Stepped) and self._is_time(last):
            self._write(self._state.line(words))
        elif isinstance(event, StageProgress) and self._stage.seconds_left is not None and self._is_time():
            self._write(f"{self._narrator.place}{self._narrator.title}: {self._stage.line(words)}")

    def _is_time(self, last: bool = False) -> bool:
        """Whether progress is shown now."""
        now = self._clock()
        if now - self._said < _SECONDS and not last:
            return False
        self._said = now
        return True

    def tell(self, notice: str) -> None:
        """A line on standard error."""
        remark(notice)

    def stopping(self) -> None:
        """Said with the next event: a signal handler must not write where a write may be under way."""
        self._stop = True

    def _write(self, line: str) -> None:
        put(line, stream=self._stream)


class LiveDisplay(Display):
    """Lines of what is done scroll by; below them a panel shows the current stage. `changes`: as above."""

    def __init__(self, console: Console, *, changes: bool = False) -> None:
        self._console = console
        self._narrator = Narrator(console.width if changes else 0)
        self._state = TrainingState()
        self._spinner = Spinner("dots")
        self._name = ""
        self._stage = StageState()
        self._stop = False
        self._live = Live(
            console=console,
            get_renderable=self.panel,
            refresh_per_second=4,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Lines above, figures in the panel."""
        self._state.take(event)
        self._stage.take(event)
        match event:
            case StageBegan():
                self._name = f"[{event.number}/{event.of}] {text(f'console.stage_{event.stage}')}"
            case StageEnded() | RunEnded():
                self._name = ""
            case _:
                pass
        for line in self._narrator.lines(event):
            self._live.console.print(Text(harmless(line)))

    def tell(self, notice: str) -> None:
        """A line above the panel, which a line on standard error would tear."""
        self._live.console.print(Text(one_line(notice)))

    def stopping(self) -> None:
        """The panel says so when it is next drawn."""
        self._stop = True

    def panel(self) -> RenderableType:
        """The panel below the lines."""
        parts: list[RenderableType] = []
        if self._state.running:
            parts.append(self._training())
        elif self._name:
            self._spinner.update(text=Text(f"{self._name}  {self._stage.line(self._narrator.words)}".rstrip()))
            parts.append(self._spinner)
        if self._stop:
            parts.append(Text(text("cli.stopping"), style="yellow"))
        return Group(*parts)

    def _training(self) -> RenderableType:
        state, words = self._state, self._narrator.words
        head = Table.grid(padding=(0, 2), expand=True)
        head.add_column()
        head.add_column(ratio=1)
        head.add_column(justify="right")
        left = f"{text('console.label_left')} {words.duration(state.seconds_left)}"
        bar = ProgressBar(total=max(1, state.steps), completed=state.step)
        head.add_row(Text(f"{state.step}/{state.steps}"), bar, Text(left))
        figures = Text("   ").join(
            Text.assemble((label, "dim"), " ", (value, "bold")) for label, value in state.figures(words)
        )
        parts: list[RenderableType] = [head, figures]
        if state.sample is not None:
            parts.append(self._sample(state.sample))
        return Group(*parts)

    def _sample(self, sample: Sample) -> RenderableType:
        shown = Text.assemble((harmless(sample.prompt), "bold"), harmless(sample.text))
        lines = shown.wrap(self._console, max(20, self._console.width - 4))[:_SAMPLE_LINES]
        title = Text(text("console.sample_title", step=self._state.sample_step))
        return Panel(Text("\n").join(lines), title=title, title_align="left", border_style="dim")
