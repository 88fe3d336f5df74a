"""modou compare: the same questions to several runs."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COLUMNS, COMMON, JUDGE, OPEN, SAMPLING, Command, Own, out, seed


def run(asked: Asked) -> int:
    file, runs = Path(asked.words["DATA"]), [Path(word) for word in asked.rest]
    count = asked.whole("count")
    settings = asked.settings().sampling
    from modou.pipeline.compare import compare

    judges = [part for part in (asked["judge"] or "").split(",") if part]
    events = compare(runs, file, judges, asked["columns"] or "", count, settings, console.path(asked["out"]))
    outcome = console.watch(events, console.make_display(asked.switched("json")))
    if not asked.switched("json"):
        console.say_comparison(outcome.stages["evaluate"])
    return console.finished(asked, outcome)


COMMAND = Command(
    "compare",
    run,
    ("DATA", "RUN..."),
    (JUDGE, Own("count", metavar="N", default="500"), out("out_compare"), COLUMNS, seed("sampling.seed"), *COMMON),
    ("sampling",),
    ("sampling.samples",),  # one answer to a question
    SAMPLING,
    OPEN,
)
