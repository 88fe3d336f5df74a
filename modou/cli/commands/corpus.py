"""modou corpus: a named corpus as a text file."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COMMON, Command, Own, seed
from modou.messages import UserError


def run(asked: Asked) -> int:
    name, path = asked.words["NAME"], Path(asked.words["FILE"])
    size = asked.whole("size") if "size" in asked.own else None
    number = asked.whole("seed", 0) if "seed" in asked.own else None
    if path.exists():
        raise UserError("cli.file_exists", path=path)
    from modou.pipeline.corpus import write_corpus

    return console.shown(asked, write_corpus(name, path, size, number))


COMMAND = Command("corpus", run, ("NAME", "FILE"), (Own("size", metavar="BYTES", default="2200000"), seed(), *COMMON))
