"""modou import: the model of a Hugging Face directory as a run folder."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COMMON, Command, Own, out
from modou.settings.methods import IMPORT


def run(asked: Asked) -> int:
    source = Path(asked.words["MODEL"])
    context = None if asked["context"] is None else asked.whole("context")
    from modou.interop.importing import import_model

    where = console.path(asked["out"]) or Path("runs") / source.resolve().name
    return console.shown(asked, import_model(source, where, context))


COMMAND = Command(IMPORT.name, run, ("MODEL",), (out("out_import"), Own("context", metavar="N"), *COMMON))
