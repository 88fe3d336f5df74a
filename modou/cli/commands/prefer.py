"""modou prefer: a person chooses between two answers to each question."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COLUMNS, OPEN, SAMPLING, TALK, Command, seed
from modou.messages import text


def run(asked: Asked) -> int:
    """Until no question is left, or q."""
    run, file, out = (Path(asked.words[name]) for name in ("RUN", "DATA", "FILE"))
    settings = asked.settings().sampling
    from modou.pipeline import prefer as pipeline

    kept = 0
    for offer in pipeline.offers(run, file, out, asked["columns"] or "", settings):
        console.say_offer(offer)
        key = console.read_key("12sq")
        if key == "q":
            break
        if key in "12":
            pipeline.keep(out, offer, key == "1", run)
            kept += 1
    console.say(text("console.preferred", count=kept, path=out))
    return console.DONE


COMMAND = Command(
    "prefer",
    run,
    ("RUN", "DATA", "FILE"),
    (COLUMNS, seed("sampling.seed"), *TALK),
    ("sampling",),
    ("sampling.samples",),  # as many as give two that differ
    SAMPLING,
    OPEN,
)
