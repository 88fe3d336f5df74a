"""modou task: the training and test files of a task."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COMMON, Command, seed


def run(asked: Asked) -> int:
    number = asked.whole("seed", 0)
    from modou.pipeline.task import write_task

    return console.shown(asked, write_task(asked.words["TASK"], Path(asked.words["DIR"]), number))


COMMAND = Command("task", run, ("TASK", "DIR"), (seed(), *COMMON))
