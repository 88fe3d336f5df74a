"""A parsed command line."""

from dataclasses import dataclass
from typing import Any, TypeVar

from modou.cli.spec import Command
from modou.messages import UserError
from modou.settings.base import Groups
from modou.settings.presets import read_preset
from modou.settings.run import RunSettings

G = TypeVar("G", bound=Groups)


@dataclass(frozen=True)
class Asked:
    """Positional arguments by name, the command's own options by name, and the settings that were given."""

    spec: Command
    words: dict[str, str]
    rest: tuple[str, ...]
    """All arguments of a last "X..."."""
    own: dict[str, str | bool]
    given: dict[str, dict[str, Any]]

    def __getitem__(self, name: str) -> str | None:
        """An own option's value, or its default; None where it has none."""
        value = self.own.get(name, self.spec.default_of(name))
        return value if isinstance(value, str) else None

    def switched(self, name: str) -> bool:
        """Whether an own switch was given."""
        return self.own.get(name) is True

    def number(self, name: str) -> float | None:
        """An own option as a number above 0. UserError: it is none."""
        value = self[name]
        if value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            raise UserError("settings.no_number", option=f"--{name}", value=value[:60]) from None
        if not 0 < number < 1e15:
            raise UserError("settings.out_of_bounds", option=f"--{name}", value=value[:60], wanted="> 0")
        return number

    def whole(self, name: str, least: int = 1) -> int:
        """An own option that has a default as a whole number of at least `least`. UserError: it is none."""
        value = self[name] or ""
        try:
            number = int(value[:60])
        except ValueError:
            raise UserError("settings.no_whole_number", option=f"--{name}", value=value[:60]) from None
        if not least <= number < 2**63:
            raise UserError("settings.out_of_bounds", option=f"--{name}", value=value[:60], wanted=f"≥ {least}")
        return number

    def settings(self) -> RunSettings:
        """The command's defaults, overridden by the preset, overridden by the flags. UserError: an invalid value."""
        return self.settings_of(RunSettings)

    def settings_of(self, root: type[G]) -> G:
        """The same for the settings of another method."""
        defaults: dict[str, dict[str, Any]] = {}
        for option, value in self.spec.defaults.items():
            group, name = option.split(".")
            defaults.setdefault(group, {})[name] = value
        below = root().with_values(defaults)
        preset = self["preset"]
        if preset is not None:
            below = below.with_values(read_preset(preset, self.spec.method))
        return below.with_values(self.given)
