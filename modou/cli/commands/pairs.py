"""modou pairs: the answers of a file against a run's own, as preference pairs."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COLUMNS, COMMON, OPEN, SAMPLING, Command, seed


def run(asked: Asked) -> int:
    """Writes them."""
    run, file, out = (Path(asked.words[name]) for name in ("RUN", "DATA", "FILE"))
    settings = asked.settings().sampling
    from modou.pipeline.pairs import write_pairs

    return console.shown(asked, write_pairs(run, file, out, asked["columns"] or "", settings))


COMMAND = Command(
    "pairs",
    run,
    ("RUN", "DATA", "FILE"),
    (COLUMNS, seed("sampling.seed"), *COMMON),
    ("sampling",),
    ("sampling.samples",),  # how many a question is the task's
    SAMPLING,
    OPEN,
    goes_on=True,
)
