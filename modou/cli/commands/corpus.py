"""modou corpus: a named corpus as a text file."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COMMON, Command, Own, seed
from modou.messages import UserError

MADE = (Own("size", metavar="BYTES", default="2200000"), seed())
"""Options of a corpus that is made here, not downloaded."""


def run(asked: Asked) -> int:
    """Writes it. UserError: an option has no effect on this one."""
    name, path = asked.words["NAME"], Path(asked.words["FILE"])
    size, number = asked.whole("size"), asked.whole("seed", 0)
    if path.exists():
        raise UserError("cli.file_exists", path=path)
    from modou.corpora.named import NAMES, STORYTELLERS
    from modou.pipeline.corpus import write_corpus

    for option in MADE:
        if option.name in asked.own and name in NAMES and name not in STORYTELLERS:
            raise UserError("cli.not_made_here", option=f"--{option.name}", name=name, names=", ".join(STORYTELLERS))
    return console.shown(asked, write_corpus(name, path, size, number))


COMMAND = Command("corpus", run, ("NAME", "FILE"), (*MADE, *COMMON))
