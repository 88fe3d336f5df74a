"""What a command is: the words and options that it takes, as data, beside the function that does it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from modou.settings.base import Groups
from modou.settings.run import RunSettings

if TYPE_CHECKING:
    from modou.cli.asked import Asked

Kind = Literal["value", "switch", "list"]


@dataclass(frozen=True)
class Own:
    """An option of a command that is no setting."""

    name: str
    kind: Kind = "value"
    metavar: str = ""
    default: str = ""
    """The value where none is given, as it would be written; "" = none."""
    sets: tuple[str, ...] = ()
    """Settings that get its value, unless they are given by their own names."""
    said: str = ""
    """What it is explained as, in help.own_SAID; "" = its name."""
    chosen: str = ""
    """As in Command.chosen."""


@dataclass(frozen=True)
class Command:
    """One command: the words it takes, its own options, the settings it offers, and what it does."""

    name: str
    run: "Callable[[Asked], int]"
    """Does it; the exit status. Heavy imports stand inside."""
    words: tuple[str, ...] = ()
    """Positional arguments; "[X]" may be left out, "X..." takes all that follow."""
    own: tuple[Own, ...] = ()
    groups: tuple[str, ...] = ()
    """Groups of settings."""
    without: tuple[str, ...] = ()
    """Settings of these groups that have no effect here: they are not offered."""
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    """Short flag -> setting."""
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings whose defaults differ here."""
    chosen: dict[str, str] = field(default_factory=dict[str, str])
    """Settings whose default is chosen when the command runs -> by what: "plan", see help.chosen_plan."""
    root: type[Groups] = RunSettings
    """Where the groups stand."""
    method: str = "pretrain"
    """The method whose presets it takes."""
    goes_on: bool = False
    """Whether the same command goes on where it was interrupted."""

    @property
    def usage(self) -> str:
        """`modou compare DATA RUN...`."""
        return " ".join(("modou", self.name, *self.words))

    def default_of(self, name: str) -> str | None:
        """The default of an own option; None where it has none."""
        return next((option.default or None for option in self.own if option.name == name), None)


PRESET = Own("preset", metavar="NAME")
COLUMNS = Own("columns", metavar="NAMES")
JUDGE = Own("judge", metavar="JUDGE")
CHECKPOINT = Own("checkpoint", metavar="WHICH", default="best")
DEVICE = Own("device", metavar="DEVICE", default="auto")
JSON = Own("json", "switch")
TALK = (Own("lang", metavar="zh|en"), Own("help", "switch"), Own("help-all", "switch"))
"""What every command has."""
COMMON = (JSON, *TALK)


def seed(*settings: str, chosen: str = "") -> Own:
    """--seed, which sets every seed of a command."""
    return Own("seed", metavar="N", default="" if chosen else "1", sets=settings, chosen=chosen)


def out(said: str) -> Own:
    """--out; `said`: what lies there, and where it is by default, as in Own."""
    return Own("out", metavar="DIR", said=said)


SAMPLING = {f"--{name.replace('_', '-')}": f"sampling.{name}" for name in ("tokens", "temperature", "top_k", "top_p")}
OPEN = {"sampling.temperature": 1.0, "sampling.top_p": 1.0, "sampling.tokens": 96}
"""Sampling as the model believes, nothing cut off."""
