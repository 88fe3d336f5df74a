"""modou align: a task from end to end."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COMMON, Command, Own, out


def run(asked: Asked) -> int:
    name, minutes = asked.words["TASK"], asked.number("minutes")
    methods = tuple(part for part in (asked["methods"] or "").split(",") if part)
    from modou.pipeline.align import align

    folder = console.path(asked["out"]) or Path("runs") / name
    return console.trained(asked, lambda stop: align(name, folder, minutes, methods, stop))


COMMAND = Command(
    "align",
    run,
    ("TASK",),
    (Own("minutes", metavar="M"), Own("methods", metavar="NAMES"), out("out_task"), *COMMON),
    goes_on=True,
)
