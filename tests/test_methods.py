"""A method is one file of code and one entry of the registry: nothing else in the code knows it by name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from modou.cli.arguments import COMMANDS
from modou.cli.help import commands
from modou.messages import catalogue
from modou.methods import method_class
from modou.methods.base import Method
from modou.methods.preferences import PreferenceMethod
from modou.settings.methods import METHODS

CODE = Path(__file__).parent.parent / "modou"
REGISTRY = "settings/methods.py"
ALLOWED = {
    # Commands with words of their own: `modou run` and its stages are pretraining, too.
    "cli/commands/pretrain.py": {"pretrain"},
    "cli/spec.py": {"pretrain"},
    "cli/training.py": {"pretrain"},
    "settings/presets.py": {"pretrain"},
    # The recipe of a task is made of methods that somebody chose for it.
    "tasks/poems/task.py": {"pretrain", "sft", "reward", "dpo", "ppo", "grpo"},
    "tasks/storyteller/task.py": {"pretrain", "sft", "grpo"},
    # No method: the group of options, or the figure, of this name.
    "pipeline/align.py": {"reward"},
    "cli/progress.py": {"reward"},
    "interop/exports/hf.py": {"reward"},
    "data/formats/preferences.py": {"reward"},
    "methods/policy.py": {"reward"},
    "pipeline/compare.py": {"reward"},
    "report/compared/distance.py": {"reward"},
}
"""Files that may name a method, and which."""


def names(source: str) -> Iterator[str]:
    """Methods that stand in the code as a text, "dpo", or as the beginning of an option, "dpo.beta"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            first = node.value.removeprefix("--").split(".")[0]
            if first in METHODS and " " not in node.value:
                yield first


def imported(source: str) -> Iterator[str]:
    """Modules that are imported from."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_nothing_but_a_method_and_the_registry_names_it() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted(CODE.rglob("*.py")):
        file = path.relative_to(CODE).as_posix()
        own = {path.stem} if path.parent.name == "methods" else set[str]()
        if others := set(names(path.read_text(encoding="utf-8"))) - own:
            found[file] = others
    assert found.pop(REGISTRY) == set(METHODS)
    assert found == ALLOWED


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_its_own_file_that_knows_no_other(name: str) -> None:
    made = method_class(name)
    assert issubclass(made, Method) and made.__module__ == f"modou.methods.{name}"
    others = {f"modou.methods.{other}" for other in METHODS if other != name}
    source = (CODE / "methods" / f"{name}.py").read_text(encoding="utf-8")
    assert not [module for module in imported(source) if module.startswith(tuple(f"{other}." for other in others))]


def test_the_first_page_of_help_lists_every_command() -> None:
    assert sorted(commands()) == sorted(COMMANDS)


@pytest.mark.parametrize("command", ["pairs", "prefer"])
def test_what_writes_preferences_names_every_method_that_reads_them(command: str) -> None:
    readers = [name for name in METHODS if issubclass(method_class(name), PreferenceMethod)]
    assert {"reward", "dpo"} < set(readers)
    for said in catalogue("help")[f"{command}_about"].values():
        assert [name for name in readers if name in said] == readers
