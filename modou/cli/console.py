"""Output of the commands: text, JSON, events, tables."""

import contextlib
import json
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from modou.cli.plain import escaped, harmless, one_line
from modou.cli.signals import StopSignals
from modou.cli.streams import given_input, is_first_process, notices, put, remark, shown_by
from modou.messages import language, quoted, text

if TYPE_CHECKING:
    from modou.cli.asked import Asked
    from modou.cli.live import Display
    from modou.pipeline.chat import ChatFacts
    from modou.pipeline.check import Checked, Shown
    from modou.pipeline.prefer import Offer
    from modou.train.events import Event


DONE, INTERNAL, MISTAKE, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses."""
_COMPLAINTS = 20
_LINE = 1000
"""Characters of an answer to a question about keys that are read."""
_GROUNDS = ("black on green", "black on bright_green")


def say(page: str) -> None:
    """Text on standard output."""
    put(page)


def fail(message: str) -> None:
    """The one line of an error."""
    put(f"modou: {one_line(message)}", stream=sys.stderr)


def fail_internally() -> None:
    """The traceback of an internal error, and where to report it."""
    put(traceback.format_exc(), stream=sys.stderr)
    fail(text("cli.internal"))


def print_json(values: Any) -> None:
    """One JSON object and nothing else on standard output. NaN and infinities are null; "notices" holds all notices."""
    from modou.report.values import finite

    if notices.lines:
        values = {**values, "notices": [*values.get("notices", []), *notices.lines]}
    put(escaped(json.dumps(finite(values), ensure_ascii=False, indent=2, default=str)))


def page_width() -> int:
    """Width of a help page in cells."""
    return max(40, min(100, shutil.get_terminal_size((80, 24)).columns - 1))


@dataclass
class Outcome:
    """The results in a stream of events."""

    stages: dict[str, Any] = field(default_factory=dict[str, Any])
    notices: list[str] = field(default_factory=list[str])
    folder: Path | None = None
    report: dict[str, Any] = field(default_factory=dict[str, Any])
    interrupted: bool = False

    def take(self, event: "Event") -> None:
        """Adds an event."""
        from modou.train.events import Ended, Notice, RunEnded, StageEnded, Started

        match event:
            case StageEnded():
                self.stages[event.stage] = event.numbers
            case Notice():
                self.notices.append(event.text)
            case Started():
                self.notices += [text("console.damaged", problem=problem) for problem in event.problems]
            case RunEnded():
                self.folder, self.report = event.folder, event.report
                self.interrupted = self.interrupted or not event.finished
            case Ended():
                self.interrupted = event.reason == "interrupted"
            case _:
                pass

    def to_json(self) -> dict[str, Any]:
        """The report of a run that ended; else the results of its stages."""
        values = dict(self.report) if self.report else dict(self.stages)
        if self.folder is not None:
            values["run"] = {**values.get("run", {}), "folder": str(self.folder), "finished": not self.interrupted}
        return {**values, "notices": self.notices}


def make_display(as_json: bool, *, changes: bool = False) -> "Display":
    """Live on a terminal, plain elsewhere; with `as_json` on standard error, since standard output holds the object.
    `changes`: with a table of what cleaning changed."""
    from rich.console import Console

    from modou.cli.live import Display, LiveDisplay, PlainDisplay

    if not is_first_process():
        return Display()
    stream: TextIO = sys.stderr if as_json else sys.stdout
    console = Console(file=stream, markup=False, highlight=False, emoji=False)
    # A terminal without cursor movement (TERM=dumb) would show every frame of the panel as new lines.
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(console, changes=changes)
    return PlainDisplay(stream, changes=changes)


def watch(events: Iterator["Event"], display: "Display", stop_asked: Callable[[], bool] = lambda: False) -> Outcome:
    """Shows all events. KeyboardInterrupt: a stop was requested outside training, which stops by itself."""
    from modou.train.events import Ended, Started

    outcome = Outcome()
    training = False
    with display, _closing(events), shown_by(display.tell):
        for event in events:
            outcome.take(event)
            display.show(event)
            training = isinstance(event, Started) or (training and not isinstance(event, Ended))
            if stop_asked() and not training and not outcome.interrupted:
                raise KeyboardInterrupt
    return outcome


def trained(asked: "Asked", start: Callable[[Callable[[], bool]], Iterator["Event"]], *, changes: bool = False) -> int:
    """Shows the events of a command that trains; the first signal makes it save and stop. Returns the exit status.
    `changes`: with a table of what cleaning changed."""
    display = make_display(asked.switched("json"), changes=changes)
    with StopSignals(display.stopping) as signals:
        outcome = watch(start(signals.requested), display, signals.requested)
    return finished(asked, outcome)


def shown(asked: "Asked", events: Iterator["Event"]) -> int:
    """Shows the events of a command that does not train. Returns the exit status."""
    return finished(asked, watch(events, make_display(asked.switched("json"))))


def finished(asked: "Asked", outcome: Outcome) -> int:
    """Prints the JSON object if --json was given. Returns the exit status."""
    if asked.switched("json") and is_first_process():
        print_json(outcome.to_json())
    if outcome.interrupted:
        if is_first_process():
            remark(text("console.interrupted"))
        return INTERRUPTED
    return DONE


def path(value: str | None) -> Path | None:
    """An option's value as a path; None where it was not given."""
    return Path(value) if value is not None else None


@contextlib.contextmanager
def _closing(events: Iterator["Event"]) -> Generator[None]:
    """Closes the generator at the end, so that its locks and files are released at once."""
    try:
        yield
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()


class Pages:
    """Streams several texts to standard output one after another, the first one as it is generated."""

    def __init__(self, prompt: str, count: int) -> None:
        self._prompt, self._count = prompt, count
        self._parts: list[list[str]] = [[] for _ in range(count)]
        self._done = [False] * count
        self._on = 0

    def begin(self) -> None:
        """Prints the head of the current text."""
        if self._count > 1:
            put(("\n" if self._on else "") + text("console.sample_number", number=self._on + 1))
        put(self._prompt, end="")

    def push(self, sample: int, piece: str, done: bool) -> None:
        """Adds a piece to a text."""
        self._parts[sample].append(piece)
        self._done[sample] = done
        while self._on < self._count:
            put("".join(self._parts[self._on]), end="")
            self._parts[self._on].clear()
            if not self._done[self._on]:
                return
            put("")
            self._on += 1
            if self._on < self._count:
                self.begin()


def say_facts(found: dict[str, Any]) -> None:
    """Nested facts, one per line, and then the remarks."""
    from modou.report.values import flattened

    facts = {name: value for name, value in found.items() if name != "remarks"}
    for name, value in flattened(facts):
        shown = f"{float(value):.1f}" if re.fullmatch(r"\d+\.\d{2,}", value) else one_line(value)
        put(f"  {name}: {shown}")
    for line in found.get("remarks", []):
        put(f"- {one_line(line)}")


def say_examples(found: "Checked") -> None:
    """The check of a file of examples: counts, problems, and the first examples with the trained tokens in colour."""
    facts, bad = found.facts, found.facts.complaints
    counts = [
        text("console.examples_kind", kind=text(f"console.kind_{kind}"), count=count)
        for kind, count in facts.kinds.items()
    ]
    put(text("console.examples", file=facts.file, kinds=", ".join(counts) or "0"))
    if facts.tokens:
        put(text("console.examples_tokens", **facts.tokens))
        if facts.too_long:
            put(text("console.examples_too_long", count=facts.too_long, context=facts.context))
    for line in facts.notes:
        put(one_line(line))
    if bad:
        put(text("console.examples_bad", count=len(bad)))
        for line in bad[:_COMPLAINTS]:
            put(f"  {one_line(line)}")
        if len(bad) > _COMPLAINTS:
            put(f"  … (+{len(bad) - _COMPLAINTS})")
    if found.shown:
        put(text("console.examples_learned"))
        _show_learned(found.shown)


def _show_learned(examples: "tuple[Shown, ...]") -> None:
    """Marks and text of each example; trained tokens have a background colour (without colours: brackets)."""
    from rich.console import Console
    from rich.text import Text

    console = Console(markup=False, highlight=False, emoji=False)
    for shown in examples:
        line = Text(f"{one_line(shown.place)}  ", style="dim")
        for number, piece in enumerate(shown.pieces):
            said = f"<|{piece.mark}|>" if piece.mark else harmless(piece.text)
            if piece.trained:  # alternating, to separate neighbouring tokens
                plain = console.is_terminal or piece.mark is not None
                line.append(said if plain else f"[{said}]", style=_GROUNDS[number % 2])
            else:
                line.append(said, style="dim")
        console.print(line, soft_wrap=not console.is_terminal)


def say_chat(facts: "ChatFacts") -> None:
    """What a chat holds and what was made of it; where nobody was named, the command to give."""
    speakers = ", ".join(f"{one_line(name)} ({count})" for name, count in [*facts.speakers.items()][:_COMPLAINTS])
    put(text("console.chat_speakers", file=facts.file, speakers=speakers))
    if facts.bad:
        put(text("console.examples_bad", count=facts.bad))
        for line in facts.complaints:
            put(f"  {one_line(line)}")
    if facts.me is None:
        name = quoted(one_line(next(iter(facts.speakers))), plain=True)
        put(text("console.chat_whom", file=quoted(facts.file, plain=True), name=name))
        return
    put(text("console.chat_written", **{**vars(facts), "me": one_line(facts.me)}))


def say_offer(offer: "Offer") -> None:
    """A question, two answers, and the keys to choose with."""
    put("\n" + text("console.offer", number=offer.number, of=offer.of, question=offer.question.text))
    for number, answer in ((1, offer.first), (2, offer.second)):
        put(f"\n  {number}  " + harmless(answer).strip().replace("\n", "\n     "))
    put("\n" + text("console.offer_keys"), end="")


def read_key(allowed: str) -> str:
    """Reads one of the allowed keys: without Enter on a terminal, else the first character of a line. At the end of the
    input: the last of `allowed`."""
    while True:
        key = _key().lower()
        if key in ("", "\x04"):
            return allowed[-1]
        if key == "\x03":
            raise KeyboardInterrupt
        if key in allowed:
            put(key)
            return key


def _key() -> str:
    """A key, or the first character of a line where single keys cannot be read; "" at the end of the input."""
    stdin = given_input()
    if not stdin.isatty() or sys.platform == "win32":
        line = stdin.readline(_LINE)
        return line.strip()[:1] or ("\n" if line else "")
    import termios
    import tty

    before = termios.tcgetattr(stdin)
    try:
        tty.setcbreak(stdin)
        return stdin.read(1)
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)


def say_comparison(found: dict[str, Any]) -> None:
    """A table: a column per run and per baseline (the most frequent answer, the file's answers), a row per measure."""
    from rich.console import Console
    from rich.table import Table

    from modou.cli.words import measures
    from modou.report.words import Words

    runs: dict[str, dict[str, Any]] = dict(found["runs"])
    if found["majority"]:
        runs[text("console.majority")] = {"rules": found["majority"]}
    if found["real"]:
        runs[text("console.real")] = {"rules": found["real"]}
    values = {"count": found["questions"], "data": found["data"], "reference": found["reference"]}
    put(text("console.compared", **values))
    table = Table("", *map(one_line, runs), box=None, pad_edge=False)
    for name, cells in measures(runs, Words(language())):
        table.add_row(*map(one_line, (name, *cells)))
    Console(markup=False, highlight=False, emoji=False).print(table)
