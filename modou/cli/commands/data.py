"""modou data check: the contents of a file of examples, and its errors."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COLUMNS, COMMON, Command
from modou.messages import UserError


def run(asked: Asked) -> int:
    action, file, given = asked.words["ACTION"], Path(asked.words["DATA"]), asked.words.get("RUN")
    if action != "check":
        raise UserError("cli.unknown_action", action=action[:60], usage="modou data check DATA [RUN]")
    from modou.pipeline.check import check
    from modou.storage import to_json

    found = check(file, asked["columns"] or "", Path(given) if given is not None else None)
    if asked.switched("json"):
        console.print_json(to_json(found.facts))
    else:
        console.say_examples(found)
    return console.DONE


COMMAND = Command("data", run, ("ACTION", "DATA", "[RUN]"), (COLUMNS, *COMMON))
