"""Every command by name: a file in `commands` each, and one for each method that begins from a run."""

import importlib
import pkgutil

from modou.cli import commands
from modou.cli.spec import Command
from modou.cli.training import method_command
from modou.settings.methods import METHODS


def _written() -> list[Command]:
    """The commands with a file of their own."""
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    return [importlib.import_module(f"{commands.__name__}.{name}").COMMAND for name in names]


COMMANDS: dict[str, Command] = {
    command.name: command
    for command in (*_written(), *(method_command(method) for method in METHODS.values() if "base" in method.inputs))
}
