"""The help pages, as text: `modou --help` teaches, `modou COMMAND --help` explains every option."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from modou.cli.plain import beside, wrap
from modou.messages import catalogue, language, text

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from modou.cli.arguments import Option

_BRIEF = re.compile(r"help\.(\w+)_brief")
_COLUMN = 30
_SIGNS = {"Ge": "≥", "Gt": ">", "Le": "≤", "Lt": "<"}


def overview(cells: int) -> str:
    """The page of `modou --help`; it needs the catalogue alone."""
    zh = language() == "zh"
    book, corpus = ("我的小说.txt", "storyteller") if zh else ("novel.txt", "storyteller-en")
    start = '"话说"' if zh else '"Once upon"'
    pages = [line for key in ("about", "about_steps", "about_run") for line in wrap(text(f"help.{key}"), cells)]
    pages += ["", f"{text('help.usage')}: modou {text('help.command')} [{text('help.options')}]"]
    pages += ["", text("help.two_minutes")]
    wide = 48
    for line, key in (
        (f"modou run {corpus} --minutes 2", "try_run"),
        (f"modou generate runs/{corpus} {start}", "try_generate"),
        (f"modou run {book} --minutes 30", "try_book"),
    ):
        pages += beside(line, text(f"help.{key}"), 2, min(wide, cells // 2), cells)
    pages += ["", text("help.stages")]
    for command in commands():
        pages += beside(command, text(f"help.{command}_brief"), 2, 14, cells)
    pages += ["", f"{text('help.lands')} (runs/{corpus})"]
    for name, key in (
        ("report.html", "report"),
        ("checkpoints/", "model"),
        ("corpus/ tokenizer/", "text"),
        ("metrics.jsonl", "metrics"),
    ):
        pages += beside(name, text(f"help.lands_{key}"), 2, 24, cells)
    return "\n".join([*pages, "", *wrap(text("help.more"), cells)])


def commands() -> list[str]:
    """Every command, in the catalogue's order, which is that in which a reader meets them."""
    return [found[1] for key in catalogue() if (found := _BRIEF.fullmatch(key))]


def command_page(command: str, cells: int) -> str:
    """The page of `modou COMMAND --help`."""
    from modou.cli import arguments
    from modou.settings.presets import preset_names

    spec = arguments.COMMANDS[command]
    usage = f"{text('help.usage')}: {arguments.usage(command)} [{text('help.options')}]"
    page = [usage, "", *wrap(text(f"help.{command}_about"), cells), "", text("help.example")]
    page += [f"  {line}" for line in text(f"help.{command}_examples").split("\n")]
    page += [""] if spec.words else []
    for word in spec.words:
        page += beside(word, text(f"help.word_{word.strip('[].').lower()}"), 2, 14, cells)
    page += ["", text("help.common")]
    for option in arguments.options(command):
        if option.field is None or len(option.flags) > 1:
            page += _option(option, option.flags[0], cells, ", ".join(preset_names(spec.method)))
    for group in spec.groups:
        page += ["", f"{text(f'help.group_{group}')} (--{group}.*)"]
        for option in arguments.options(command):
            if option.name.startswith(f"{group}."):
                page += _option(option, option.flags[-1], cells)
    return "\n".join(page)


def _option(option: "Option", flag: str, cells: int, presets: str = "") -> list[str]:
    switch = option.kind == "switch" and option.field is not None
    shown = f"--[no-]{flag[2:]}" if switch else f"{flag} {option.metavar}".rstrip()
    said = describe(option)
    if option.name == "preset" and presets:
        said += f" ({presets})"
    if flag != option.flags[0]:
        said += f" ({text('help.also', flag=option.flags[0])})"
    if option.field is not None:
        said += f" [{'; '.join(_facts(option, option.field))}]"
    return beside(shown, said, 2, _COLUMN, cells)


def describe(option: "Option") -> str:
    """What an option does, in the reader's language: the field's own docstring, or its Chinese twin."""
    if option.field is None:
        return text(f"help.own_{option.name}")
    group, name = option.name.split(".")
    said = option.field.description or ""
    return chinese()[group][name] if language() == "zh" else " ".join(said.split())


@cache
def chinese() -> dict[str, dict[str, str]]:
    """The Chinese help of every setting, by group and field."""
    file = files("modou.messages").joinpath("options", "zh.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _facts(option: "Option", info: "FieldInfo") -> Iterator[str]:
    """Bounds, how several values are given, and the default."""
    bounds = [
        f"{_SIGNS[type(item).__name__]}{_number(getattr(item, type(item).__name__.lower()))}"
        for item in info.metadata
        if type(item).__name__ in _SIGNS
    ]
    if bounds:
        yield ", ".join(bounds)
    if option.kind == "list":
        yield text("help.separated") if option.separated else text("help.repeatable")
    default = info.default
    if option.planned:
        yield text("help.planned")
    elif default is True or default is False:
        yield text("help.default", value=text("help.on" if default else "help.off"))
    elif default in ((), ""):
        yield text("help.default_none")
    else:
        yield text("help.default", value=default)


def _number(value: float) -> str:
    return "2^63" if value == 2**63 else f"{value:,}" if isinstance(value, int) else f"{value:g}"
