"""The help pages as text: the overview, the common options of a command (--help), and all of them (--help-all)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from modou.cli.plain import beside, wrap
from modou.messages import catalogue, language, named, text

if TYPE_CHECKING:
    from modou.cli.arguments import Option

_COLUMN = 30
_SIGNS = {"Ge": "≥", "Gt": ">", "Le": "≤", "Lt": "<"}


def overview(cells: int) -> str:
    """The page of `modou --help`."""
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
    """All commands, in the order of the catalogue."""
    return [key.removesuffix("_brief") for key in catalogue("help") if key.endswith("_brief")]


def command_page(command: str, cells: int, whole: bool = False) -> str:
    """The page of `modou COMMAND --help`; `whole`: of `--help-all`."""
    from modou.cli import arguments
    from modou.cli.spec import COMMON

    spec, every = arguments.COMMANDS[command], arguments.options(command)
    usage = f"{text('help.usage')}: {spec.usage} [{text('help.options')}]"
    page = [usage, "", *wrap(text(f"help.{command}_about"), cells), "", text("help.example")]
    page += [f"  {line}" for line in text(f"help.{command}_examples").split("\n")]
    page += [""] if spec.words else []
    for word in spec.words:
        page += beside(word, text(f"help.word_{word.strip('[].').lower()}"), 2, 14, cells)
    page += ["", text("help.common")]
    used = [option for option in every if option.field is None or len(option.flags) > 1]
    # The options specific to the command come first.
    for option in sorted(used, key=lambda option: option.own in COMMON):
        page += _option(option, option.flags[0], cells, spec.method)
    if not whole and len(every) > len(used):
        page += ["", *wrap(text("help.all", command=command, count=len(every)), cells)]
    for group in spec.groups if whole else ():
        page += ["", f"{text(f'help.group_{group}')} (--{group}.*)"]
        for option in every:
            if option.name.startswith(f"{group}."):
                page += _option(option, option.flags[-1], cells, spec.method)
    return "\n".join(page)


def _names(option: "Option", method: str) -> str:
    """The names that an option of a command knows, where they are those of a registry or of files."""
    from modou.settings.presets import preset_names
    from modou.settings.text import RULES

    match option.name:
        case "preset":
            return ", ".join(preset_names(method))
        case "clean.skip":
            return ", ".join(f"{name} = {named('report.rule', name)}" for name in RULES)
        case _:
            return ""


def _option(option: "Option", flag: str, cells: int, method: str) -> list[str]:
    shown = f"--[no-]{flag[2:]}" if option.off else f"{flag} {option.metavar}".rstrip()
    names = _names(option, method)
    said = describe(option) + (f" ({names})" if names else "")
    if flag != option.flags[0]:
        said += f" ({text('help.also', flag=option.flags[0])})"
    facts = "; ".join(_facts(option))
    return beside(shown, f"{said} [{facts}]" if facts else said, 2, _COLUMN, cells)


def describe(option: "Option") -> str:
    """What an option does: in English the field's docstring, in Chinese the entry of options/zh.toml."""
    if option.own is not None:
        return text(f"help.own_{option.own.said or option.name.replace('-', '_')}")
    assert option.field is not None
    group, name = option.name.split(".")
    said = option.field.description or ""
    return catalogue("options/zh")[group][name] if language() == "zh" else " ".join(said.split())


def _facts(option: "Option") -> Iterator[str]:
    """Bounds, how to give several values, and the default."""
    bounds = [
        f"{_SIGNS[type(item).__name__]}{_number(getattr(item, type(item).__name__.lower()))}"
        for item in (option.field.metadata if option.field else ())
        if type(item).__name__ in _SIGNS
    ]
    if bounds:
        yield ", ".join(bounds)
    if option.kind == "list":
        yield text("help.separated") if option.separated else text("help.repeatable")
    if said := said_default(option):
        yield said


def said_default(option: "Option") -> str:
    """The default, as text; "" where the description states it."""
    if option.chosen:
        from modou.settings.run import MINUTES

        return text(f"help.chosen_{option.chosen}", value=option.default, minutes=f"{MINUTES:g}")
    if option.default is True or option.default is False:
        return text("help.default", value=text("help.on" if option.default else "help.off"))
    if option.default in ((), ""):
        return text("help.default_none") if option.field else ""
    return text("help.default", value=option.default)


def _number(value: float) -> str:
    return "2^63" if value == 2**63 else f"{value:,}" if isinstance(value, int) else f"{value:g}"
