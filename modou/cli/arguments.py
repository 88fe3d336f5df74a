"""Parses a command line.

The commands and their options are data (spec, table); argparse separates the arguments, pydantic validates the values
of settings, and every error becomes a UserError that names the option and the remedy. Nothing heavy is imported here.
"""

import argparse
import difflib
import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin

from pydantic.fields import FieldInfo

from modou.cli.asked import Asked
from modou.cli.spec import Command, Kind, Own
from modou.cli.table import COMMANDS
from modou.messages import UserError
from modou.settings.text import RULES, CleanSettings


@dataclass(frozen=True)
class Option:
    """One option of a command: a setting, which has a `field`, or the command's own."""

    name: str
    """Such as "out" or "model.layers"."""
    flags: tuple[str, ...]
    kind: Kind
    metavar: str
    default: Any
    """The value that is used where none is given; "" and () = none."""
    field: FieldInfo | None = None
    chosen: str = ""
    """What chooses the value where none is given, as in Command; "" = it is the default."""
    own: Own | None = None

    @property
    def off(self) -> tuple[str, ...]:
        """The flags that turn a setting off, where it is a switch."""
        is_switch = self.kind == "switch" and self.field is not None
        return tuple(f"--no-{flag[2:]}" for flag in self.flags) if is_switch else ()

    @property
    def separated(self) -> bool:
        """Whether one argument may hold several values separated by commas (not where the values are text)."""
        return self.kind == "list" and self.field is not None and get_args(self.field.annotation)[0] is not str


_HIDDEN = ("model.vocabulary",)
"""Settings that follow from others: the model's vocabulary is its tokenizer's."""


@functools.cache
def options(command: str) -> tuple[Option, ...]:
    """Every option of a command: its own first, then those of each group."""
    spec = COMMANDS[command]
    own = tuple(
        Option(o.name, (f"--{o.name}",), o.kind, o.metavar, o.default, chosen=o.chosen, own=o) for o in spec.own
    )
    return own + tuple(option for group in spec.groups for option in group_options(group, spec))


def group_options(group: str, spec: Command) -> list[Option]:
    """The options of one group of settings, short flags first."""
    short: dict[str, list[str]] = {}
    for flag, target in spec.aliases.items():
        short.setdefault(target, []).append(flag)
    settings: Any = spec.root.model_fields[group].annotation
    found: list[Option] = []
    for name, info in settings.model_fields.items():
        full = f"{group}.{name}"
        if full in _HIDDEN or full in spec.without:
            continue
        listed = get_origin(info.annotation) is tuple
        kind: Kind = "switch" if info.annotation is bool else "list" if listed else "value"
        metavar = "M" if name == "minutes" else _metavar(info)
        flags = (*short.get(full, ()), f"--{full}")
        default = spec.defaults.get(full, info.default)
        found.append(Option(full, flags, kind, metavar, default, info, spec.chosen.get(full, "")))
    return found


def _metavar(info: FieldInfo) -> str:
    annotation: Any = info.annotation
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        annotation = item.__origin__ if get_origin(item) is Annotated else item
    if get_origin(annotation) is Literal:
        return "|".join(str(choice) for choice in get_args(annotation))
    return {int: "N", float: "X", bool: ""}.get(annotation, "TEXT")


class _Missing:
    """What argparse stores where an option's value is missing."""


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of printing and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UserError("cli.not_understood", reason=message)


def parse(command: str, argv: Sequence[str]) -> Asked:
    """Parses `argv`, without the command's name. UserError: an unknown option, a missing value, ..."""
    known = options(command)
    before, after = _at_dashes(list(argv))
    try:
        values, rest = _parser(known).parse_known_args([_normal(word) for word in before])
    except argparse.ArgumentError as error:
        # The only one argparse has left to find: a value given to a switch.
        raise UserError("cli.takes_no_value", option=(error.argument_name or "").split("/")[-1]) from None
    words = [word for word in rest if not _is_option(word)]
    for word in rest:
        if _is_option(word):
            raise _unknown(word, command)
    own: dict[str, str | bool] = {}
    given: dict[str, dict[str, Any]] = {}
    for option in known:
        value = getattr(values, option.name)
        if value is None:
            continue
        checked = _checked(option, value)
        if option.field is None:
            own[option.name] = checked
        else:
            group, name = option.name.split(".")
            given.setdefault(group, {})[name] = checked
    for option in COMMANDS[command].own:
        for target in option.sets if option.name in own else ():
            group, name = target.split(".")
            given.setdefault(group, {}).setdefault(name, own[option.name])
    asked_for_help = bool(own.keys() & {"help", "help-all"})
    named, rest = _named(COMMANDS[command], [*words, *after], asked_for_help)
    return Asked(COMMANDS[command], named, rest, own, given)


def _at_dashes(argv: list[str]) -> tuple[list[str], list[str]]:
    """The arguments before the first `--`, and those after it."""
    if "--" not in argv:
        return argv, []
    place = argv.index("--")
    return argv[:place], argv[place + 1 :]


def _normal(word: str) -> str:
    """`--model.kv-heads` is `--model.kv_heads`, `-h` is `--help`, and `--no-clean.RULE` is `--clean.skip=RULE`."""
    if word == "-h":
        return "--help"
    rule = word.removeprefix("--no-clean.").replace("-", "_")
    if rule != word and rule in RULES and rule not in CleanSettings.model_fields:
        return f"--clean.skip={rule}"
    name, equals, value = word.partition("=")
    if name.startswith("--") and "." in name:
        before = "--no-" if name.startswith("--no-") else "--"
        name = before + name.removeprefix(before).replace("-", "_")
    return f"{name}{equals}{value}"


def _is_option(word: str) -> bool:
    """Whether an unparsed argument was meant as an option: `-` is standard input, and a text has spaces."""
    return len(word) > 1 and word.startswith("-") and not any(character.isspace() for character in word)


def _parser(known: Iterable[Option]) -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for option in known:
        if option.kind == "switch":
            if option.off:
                parser.add_argument(*option.off, dest=option.name, action="store_false", default=None)
            parser.add_argument(*option.flags, dest=option.name, action="store_true", default=None)
        else:
            parser.add_argument(*option.flags, dest=option.name, action="append", nargs="?", const=_Missing)
    return parser


def _checked(option: Option, value: Any) -> Any:
    """The value for pydantic: the last one given, or all of them for a list. UserError: no value."""
    if option.kind == "switch":
        return value
    if any(item is _Missing for item in value):
        raise UserError("cli.value_missing", option=option.flags[0], metavar=option.metavar)
    if option.kind == "value":
        return value[-1]
    if option.separated:
        return [part for item in value for part in item.replace("，", ",").split(",")]
    return value


def _named(command: Command, words: list[str], lenient: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Positional arguments by name, and all those of a last "X...". UserError: too few, or too many."""
    names = command.words
    rest = tuple(words[len(names) - 1 :]) if names and names[-1].endswith("...") else ()
    if len(words) > len(names) and not rest:
        raise UserError("cli.too_many_words", word=words[len(names)][:60], usage=command.usage)
    for name in names[len(words) :]:
        if not name.startswith("[") and not lenient:
            raise UserError("cli.word_missing", word=name, usage=command.usage)
    return {name.strip("[]"): word for name, word in zip(names, words, strict=False)}, rest


def _unknown(word: str, command: str) -> UserError:
    name = word.partition("=")[0]
    flags = [flag for option in options(command) for flag in option.flags + option.off]
    elsewhere = [other for other in COMMANDS if any(name in option.flags for option in options(other))]
    guess = next((flag for flag in flags if _ending(flag) == _ending(name)), None)
    if elsewhere and guess is None:
        return UserError("cli.option_elsewhere", option=name[:60], command=command, others=", ".join(elsewhere))
    if guess := guess or nearest(name, flags):
        return UserError("cli.unknown_option_near", option=name[:60], nearest=guess, command=command)
    return UserError("cli.unknown_option", option=name[:60], command=command)


def _ending(flag: str) -> str:
    """The last part of a flag: "kv_heads" of --kv-heads and of --model.kv_heads."""
    return flag.lstrip("-").replace("-", "_").split(".")[-1]


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The most similar of the known names."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), None)
