"""`modou chat`: a conversation with a model that answers; a base model continues each text that is typed.

What the model writes goes to standard output, everything else to standard error, so that a pipe carries the answers.
"""

import contextlib
import importlib
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modou import storage
from modou.cli.console import remark, say
from modou.cli.signals import StopSignals
from modou.cli.streams import PROMPT_LIMIT, given_input, put
from modou.messages import UserError, text
from modou.settings.sampling import SamplingOptions, SamplingSettings, with_options

if TYPE_CHECKING:
    from modou.generate.engine import GenerationNotice, Piece
    from modou.generate.session import Session

COMMANDS = ("/undo", "/retry", "/save FILE.jsonl", "/set NAME VALUE", "/system TEXT", "/help", "/quit")
PROMPT = "> "


@dataclass(frozen=True)
class Turn:
    """What was typed, what the model wrote, and whether that was cut off by Ctrl-C or the token limit. `tries`: number
    of answers that /retry discarded."""

    typed: str
    written: str
    cut: bool
    tries: int


class Chat:
    """The turns so far, and the settings of the next one."""

    def __init__(self, session: "Session", sampling: SamplingSettings) -> None:
        self.session, self.sampling = session, sampling
        self.system = ""
        self.turns: list[Turn] = []
        self._said_left_out = False

    def run(self) -> None:
        """Reads lines until they end, /quit, or Ctrl-C at the prompt."""
        terminal = given_input().isatty() and sys.stdout.isatty()
        if self.session.template is None:
            remark(text("chat.base_model"))
        if terminal:
            with contextlib.suppress(ImportError):  # Windows has none
                importlib.import_module("readline")  # input() edits its line with it
            remark(text("chat.begin", commands=", ".join(COMMANDS)))
        try:
            while (line := _line(terminal)) is not None and self.take(line):
                pass
        except KeyboardInterrupt:
            say("")  # the shell's prompt begins a line

    def take(self, line: str) -> bool:
        """Handles a line: a turn, or a command. Returns False to end the conversation."""
        try:
            if not line.startswith("/"):
                if line.strip():
                    self._ask(line, 0)
                return True
            name, _, rest = line[1:].partition(" ")
            return self._obey(name, rest.strip())
        except UserError as error:
            remark(str(error))
            return True

    def _obey(self, name: str, rest: str) -> bool:
        match name:
            case "undo":
                self._pop()
            case "retry":
                turn = self._pop()
                self._ask(turn.typed, turn.tries + 1)
            case "save":
                self._save(rest)
            case "set":
                self._set(*rest.partition(" ")[::2])
            case "system":
                if self.session.template is None:
                    raise UserError("chat.no_system")
                self.system = rest
            case "help":
                remark(text("chat.help", commands=", ".join(COMMANDS)))
            case "quit":
                return False
            case _:
                raise UserError("chat.unknown_command", name=name[:60], commands=", ".join(COMMANDS))
        return True

    def _pop(self) -> Turn:
        if not self.turns:
            raise UserError("chat.no_turn")
        return self.turns.pop()

    def _ask(self, typed: str, tries: int) -> None:
        """Shows the answer as it is generated, and appends the turn. The first Ctrl-C stops the answer."""
        from modou.generate.engine import GenerationNotice

        written, finish = "", None
        with StopSignals(lambda: None, (signal.SIGINT,)) as signals:
            if self.session.template is None:
                put(typed, end="")
            for event in self._events(typed, tries):
                if isinstance(event, GenerationNotice):
                    self._notice(event)
                    continue
                written, finish = written + event.text, event.finish
                put(event.text, end="")
                if signals.requested():
                    break
        put("")
        cut = finish not in ("end", "stop")
        written = written.removesuffix("\ufffd") if cut else written  # an incomplete character
        self.turns.append(Turn(typed, written, cut, tries))
        if not written.strip():
            remark(text("chat.nothing_written"))

    def _events(self, typed: str, tries: int) -> Iterator["Piece | GenerationNotice"]:
        from modou.data.conversation import Message

        sampling = self.sampling.changed(seed=(self.sampling.seed + tries) % 2**63)
        if self.session.template is None:
            return self.session.write(typed, sampling)
        so_far = [Message(row["role"], row["content"]) for row in self._rows()]
        return self.session.answer([*so_far, Message("user", typed)], sampling)

    def _notice(self, notice: "GenerationNotice") -> None:
        """Shows a notice; that turns are left out, only once."""
        left_out = notice.key == "generate.turns_left_out"
        if not (left_out and self._said_left_out):
            remark(str(notice))
        self._said_left_out = self._said_left_out or left_out

    def _set(self, name: str, value: str) -> None:
        """Changes a setting, resets it without a value, and lists all settings without a name."""
        name = name.replace("-", "_")
        if name:
            default = SamplingSettings().model_dump().get(name)
            self.sampling = with_options(self.sampling, {name: value.strip() or default})
        for shown in (name,) if name else SamplingOptions.__annotations__:
            remark(f"{shown} = {getattr(self.sampling, shown)}")

    def _save(self, word: str) -> None:
        """Appends the conversation as one line that `modou sft` reads; a base model's texts as lines of text."""
        if not word.endswith(".jsonl"):
            raise UserError("chat.no_file")
        answered = self._answered
        if not answered:
            raise UserError("chat.no_turn")
        path = Path(word).expanduser()
        if self.session.template is None:
            field, rows = "text", [{"text": turn.typed + turn.written} for turn in answered]
        else:
            field, rows = "messages", [{"messages": list(self._rows())}]
        _require_lines(path, field)
        with storage.user_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        for row in rows:
            storage.append_line(path, storage.json_line(row))
        remark(text("chat.saved", count=len(answered), path=path))

    @property
    def _answered(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.written.strip()]

    def _rows(self) -> Iterator[dict[str, Any]]:
        """The messages of the conversation so far, without turns that got no answer."""
        if self.system:
            yield {"role": "system", "content": self.system}
        for turn in self._answered:
            yield {"role": "user", "content": turn.typed}
            yield {"role": "assistant", "content": turn.written} | ({"cut": True} if turn.cut else {})


def _line(terminal: bool) -> str | None:
    """The next line that is typed or piped in; None at the end of the input."""
    if terminal:
        try:
            return input(PROMPT)
        except EOFError:
            say("")
            return None
    line = given_input().readline(PROMPT_LIMIT)
    return line.removeprefix("\ufeff").rstrip("\r\n") if line else None


def _require_lines(path: Path, field: str) -> None:
    """UserError unless `path` is free, or a file of JSON objects that all have `field`, one a line."""
    if not path.exists():
        return
    if not path.is_file():
        raise UserError("chat.foreign_file", path=path, field=field)
    lines = storage.read_bytes(path, storage.LOG).splitlines()
    for line in filter(bytes.strip, lines):
        row: Any = None
        with contextlib.suppress(ValueError):
            row = storage.parse_json(line)
        if not isinstance(row, dict) or field not in row:
            raise UserError("chat.foreign_file", path=path, field=field)
