"""modou doctor: examines this machine, and a run."""

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COMMON, Command, out
from modou.cli.training import run_folder
from modou.messages import text


def run(asked: Asked) -> int:
    """Exit status 2: the run is damaged."""
    given = run_folder(asked) if asked.words.get("RUN") or asked["out"] else None
    from modou.pipeline.doctor import diagnose
    from modou.runs.folder import RunFolder
    from modou.storage import to_json

    if given is not None:
        RunFolder(given).require()
    if asked.switched("json"):
        found = diagnose(given)
        console.print_json(to_json(found))
    else:
        console.say(text("console.doctor_begins"))
        found = diagnose(given)
        facts = to_json(found)
        facts["environment"]["ways"] = [f"{one.ratio:.2f} x ({one.way.told})" for one in found.environment.ways]
        console.say_facts(facts)
    return console.MISTAKE if found.run and found.run.problems else console.DONE


COMMAND = Command("doctor", run, ("[RUN]",), (out("out_run"), *COMMON))
