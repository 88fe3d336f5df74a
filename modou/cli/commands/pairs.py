"""modou pairs: preference pairs from the answers of a file (chosen) and a run's own (rejected)."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COLUMNS, COMMON, OPEN, SAMPLING, Command, seed


def run(asked: Asked) -> int:
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
