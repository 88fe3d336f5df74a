"""modou data check: the contents of a file of examples, and its errors. modou data chat: examples from a chat."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COLUMNS, COMMON, Command, Own
from modou.messages import UserError


def run(asked: Asked) -> int:
    actions = {"check": _check, "chat": _chat}
    action = asked.words["ACTION"]
    if action not in actions:
        raise UserError("cli.unknown_action", action=action[:60], usage="modou data check|chat DATA [RUN]")
    return actions[action](asked, Path(asked.words["DATA"]), console.path(asked.words.get("RUN")))


def _check(asked: Asked, file: Path, base: Path | None) -> int:
    from modou.pipeline.check import check
    from modou.storage import to_json

    found = check(file, asked["columns"] or "", base)
    if asked.switched("json"):
        console.print_json(to_json(found.facts))
    else:
        console.say_examples(found)
    return console.DONE


def _chat(asked: Asked, file: Path, out: Path | None) -> int:
    from modou.pipeline.chat import convert
    from modou.storage import to_json

    facts = convert(file, asked["me"], console.path(asked["out"]) or out)
    if asked.switched("json"):
        console.print_json(to_json(facts))
    else:
        console.say_chat(facts)
    return console.DONE


_OWN = (COLUMNS, Own("me", metavar="NAME"), Own("out", metavar="FILE", said="out_chat"))
COMMAND = Command("data", run, ("ACTION", "DATA", "[RUN]"), (*_OWN, *COMMON))
