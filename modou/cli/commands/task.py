"""modou task: the files that a task is learned from and tested on."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COMMON, Command, seed


def run(asked: Asked) -> int:
    """Writes them."""
    number = asked.whole("seed", 0)
    from modou.pipeline.task import write_task

    return console.shown(asked, write_task(asked.words["TASK"], Path(asked.words["DIR"]), number))


COMMAND = Command("task", run, ("TASK", "DIR"), (seed(), *COMMON))
