"""The commands and their options, as data."""

from dataclasses import dataclass, field
from typing import Literal

from modou.settings.base import Groups
from modou.settings.methods import METHODS, MethodInfo
from modou.settings.run import RunSettings

Kind = Literal["value", "switch", "list"]


@dataclass(frozen=True)
class Command:
    """One command: the words it takes, its own options, the groups of settings, and the groups' short names."""

    name: str
    words: tuple[str, ...] = ()
    """Positional arguments; "[X]" may be left out."""
    own: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    """Short flag -> setting."""
    root: type[Groups] = RunSettings
    """Where the groups stand."""

    @property
    def method(self) -> str:
        """The method whose settings it has."""
        return "pretrain" if self.root is RunSettings else self.name


OWN: dict[str, tuple[Kind, str]] = {
    "minutes": ("value", "M"),
    "preset": ("value", "NAME"),
    "out": ("value", "DIR"),
    "extend": ("switch", ""),
    "size": ("value", "BYTES"),
    "seed": ("value", "N"),
    "checkpoint": ("value", "WHICH"),
    "device": ("value", "DEVICE"),
    "columns": ("value", "NAMES"),
    "judge": ("value", "JUDGE"),
    "methods": ("value", "NAMES"),
    "count": ("value", "N"),
    "json": ("switch", ""),
    "lang": ("value", "zh|en"),
    "help": ("switch", ""),
}
"""Options that are no settings: what they hold, and how their value is called."""
COMMON = ("json", "lang", "help")
_SHAPE = {f"--{name}": f"model.{name}" for name in ("style", "position", "layers", "width")}
_SAMPLING = {
    f"--{name.replace('_', '-')}": f"sampling.{name}" for name in ("tokens", "temperature", "top_k", "top_p", "samples")
}
_TIMED = {"--minutes": "train.minutes", "--seed": "train.seed"}


def method_command(method: MethodInfo) -> Command:
    """The command of a method that begins from a run and a file of examples."""
    judge = ("judge",) if "judge" in method.inputs else ()
    duration = {f"--{method.duration.rpartition('.')[2]}": method.duration}
    sampling = _SAMPLING if "sampling" in method.groups else {}
    own = (*judge, "preset", "out", "columns", *COMMON)
    return Command(
        method.name, ("RUN", "DATA"), own, method.groups, {**duration, **_TIMED, **sampling}, method.settings
    )


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "run",
            ("[BOOK]",),
            ("preset", "out", "extend", *COMMON),
            METHODS["pretrain"].groups,
            {**_TIMED, **_SHAPE, **_SAMPLING},
        ),
        Command(
            "plan",
            ("BOOK",),
            ("preset", "out", *COMMON),
            ("clean", "tokenizer", "model", "train", "optimizer", "schedule"),
            {**_TIMED, **_SHAPE},
        ),
        Command("doctor", ("[RUN]",), ("out", *COMMON)),
        Command("corpus", ("NAME", "FILE"), ("size", "seed", *COMMON)),
        Command("clean", ("BOOK",), ("out", "preset", *COMMON), ("clean",)),
        Command("tokenizer", ("[RUN]",), ("out", "preset", *COMMON), ("tokenizer",)),
        Command(
            "pretrain",
            ("[RUN]",),
            ("preset", "out", *COMMON),
            ("model", "train", "optimizer", "schedule", "sampling", "evaluate"),
            {**_TIMED, **_SHAPE, **_SAMPLING},
        ),
        Command("evaluate", ("[RUN]",), ("out", "checkpoint", *COMMON), ("evaluate", "sampling"), _SAMPLING),
        Command("report", ("[RUN]",), ("out", *COMMON)),
        Command(
            "generate",
            ("RUN", "[PROMPT]"),
            ("checkpoint", "device", *COMMON),
            ("sampling",),
            {**_SAMPLING, "--seed": "sampling.seed"},
        ),
        Command(
            "chat",
            ("RUN",),
            ("checkpoint", "device", "lang", "help"),
            ("sampling",),
            {**{flag: to for flag, to in _SAMPLING.items() if flag != "--samples"}, "--seed": "sampling.seed"},
        ),
        Command("task", ("TASK", "DIR"), ("seed", *COMMON)),
        Command("data", ("ACTION", "DATA", "[RUN]"), ("columns", *COMMON)),
        Command(
            "pairs",
            ("RUN", "DATA", "FILE"),
            ("columns", *COMMON),
            ("sampling",),
            {**_SAMPLING, "--seed": "sampling.seed"},
        ),
        Command("align", ("TASK",), ("minutes", "methods", "out", *COMMON)),
        Command(
            "compare",
            ("DATA", "RUN..."),
            ("judge", "count", "out", "columns", *COMMON),
            ("sampling",),
            {**_SAMPLING, "--seed": "sampling.seed"},
        ),
        Command(
            "prefer",
            ("RUN", "DATA", "FILE"),
            ("columns", "lang", "help"),
            ("sampling",),
            {**_SAMPLING, "--seed": "sampling.seed"},
        ),
        *(method_command(method) for method in METHODS.values() if "base" in method.inputs),
    )
}
