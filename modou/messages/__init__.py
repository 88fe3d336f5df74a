"""What the user is told, in their language: texts by key, mistakes, notices. Nothing here prints.

The catalogue is one TOML file an area; each entry holds Chinese and English. A mistake (UserError) is one clear line
with the remedy, exit status 2. A notice (tell) is a warning of the logger "modou", after which the command goes on:
the command line shows it on standard error and in --json; elsewhere Python's logging shows it, unless set otherwise.
"""

import locale
import logging
import os
import shlex
import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

Language = Literal["zh", "en"]


def language() -> Language:
    """The reader's language: MODOU_LANG, else LC_ALL / LC_MESSAGES / LANG, else the system's own setting."""
    for name in ("MODOU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value and value not in ("C", "POSIX", "C.UTF-8", "C.utf8"):
            return "zh" if value.lower().startswith(("zh", "chinese")) else "en"
    system = locale.getlocale()[0] or ""
    return "zh" if system.lower().startswith(("zh", "chinese")) else "en"


@cache
def catalogue(area: str) -> dict[str, dict[str, str]]:
    """The entries of one file: {"key": {"zh": ..., "en": ...}}."""
    return tomllib.loads(files(__name__).joinpath(f"{area}.toml").read_text(encoding="utf-8"))


def named(prefix: str, name: str, reader: Language | None = None) -> str:
    """The message "prefix_name" in the reader's language, or the name itself where the catalogue has none."""
    area, _, key = prefix.partition(".")
    entry = catalogue(area).get(f"{key}_{name}")
    return name if entry is None else entry[reader or language()]


def text(key: str, **values: object) -> str:
    """The message "area.key" in the reader's language with `values` filled in. KeyError: no such message."""
    area, _, name = key.partition(".")
    return catalogue(area)[name][language()].format(**values)


def quoted(word: str, plain: bool = False) -> str:
    """A word quoted for a shell, in double quotes where possible; `plain`: unquoted where possible."""
    if plain and word and not any(character.isspace() or character in "\"'$`\\!&|;<>()*?[]#~%" for character in word):
        return word
    return shlex.quote(word) if any(character in '"$`\\!%' for character in word) else f'"{word}"'


class UserError(ValueError):
    """Raised for what the user can mend. `key` names the message in the catalogue, `values` fill it in."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def __str__(self) -> str:
        return " ".join(text(self.key, **self.values).split())


def tell(notice: str) -> None:
    """Tells the user what was done otherwise than asked, in one sentence of their language."""
    logging.getLogger("modou").warning("%s", notice)
