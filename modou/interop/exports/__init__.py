"""The kinds of export, one file each, which defines TARGET. In: a `Portable`. Out: files in an empty folder.

Never: chooses or renames the folder, which `modou.interop.export` does.
"""

import importlib
from typing import TYPE_CHECKING

from modou.messages import UserError

if TYPE_CHECKING:
    from modou.interop.portable import Target

TARGETS: tuple[str, ...] = ("hf", "gguf", "ollama", "ctranslate2")
"""As --to names them: each is a file here."""


def target(name: str) -> "Target":
    """The target of that name. UserError: there is none."""
    if name not in TARGETS:
        raise UserError("interop.no_such_target", name=name[:60], names=", ".join(TARGETS))
    return importlib.import_module(f"{__name__}.{name}").TARGET
