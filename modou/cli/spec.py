"""The description of a command as data: its arguments, its options, and the function that runs it."""

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
    """An option of a command that is not a setting."""

    name: str
    kind: Kind = "value"
    metavar: str = ""
    default: str = ""
    """As on the command line; "" = none."""
    sets: tuple[str, ...] = ()
    """Settings that get its value unless given themselves."""
    said: str = ""
    """Its help is the message help.own_SAID; "" = its name."""
    chosen: str = ""
    """As in Command.chosen."""


@dataclass(frozen=True)
class Command:
    """One command."""

    name: str
    run: "Callable[[Asked], int]"
    """Runs it and returns the exit status. Heavy imports stand inside."""
    words: tuple[str, ...] = ()
    """Positional arguments; "[X]" is optional, "X..." takes all that follow."""
    own: tuple[Own, ...] = ()
    groups: tuple[str, ...] = ()
    """Groups of settings."""
    without: tuple[str, ...] = ()
    """Settings of these groups without effect here, which are not options."""
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    """Short flag -> setting."""
    defaults: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings whose defaults differ here."""
    chosen: dict[str, str] = field(default_factory=dict[str, str])
    """Settings whose default is chosen when the command runs -> by what: "plan", see help.chosen_plan."""
    root: type[Groups] = RunSettings
    """The class that holds the groups."""
    method: str = "pretrain"
    """The method whose presets it accepts."""
    goes_on: bool = False
    """Whether the same command resumes where it was interrupted."""

    @property
    def usage(self) -> str:
        """`modou compare DATA RUN...`."""
        return " ".join(("modou", self.name, *self.words))

    def default_of(self, name: str) -> str | None:
        """The default of an own option; None where it has none."""
        return next((option.default or None for option in self.own if option.name == name), None)


PRESET = Own("preset", metavar="NAME")
COLUMNS = Own("columns", metavar="NAMES")
GIVEN = (Own("validation", metavar="FILE"), Own("test", metavar="FILE"))
"""Texts to measure on, instead of parts of the book."""
BASE = Own("base", metavar="RUN")
"""A run whose model is trained further on the book."""
REPLAN = Own("replan", "switch")
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
    """--out; `said`: see Own."""
    return Own("out", metavar="DIR", said=said)


SAMPLING = {f"--{name.replace('_', '-')}": f"sampling.{name}" for name in ("tokens", "temperature", "top_k", "top_p")}
OPEN = {"sampling.temperature": 1.0, "sampling.top_p": 1.0, "sampling.tokens": 96}
"""Sampling from the model's own distribution, without truncation."""
