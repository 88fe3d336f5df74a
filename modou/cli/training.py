"""The commands that make or continue a run: `modou run` and its single stages, and every method over the registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modou.cli import console
from modou.cli.arguments import Asked, usage
from modou.errors import UserError
from modou.settings.methods import METHODS
from modou.settings.run import RunSettings

if TYPE_CHECKING:
    from modou.runs.record import Source
    from modou.train.events import StageName

STAGES: "dict[str, StageName]" = {"run": "report", "plan": "plan", "clean": "clean", "tokenizer": "shards"}
"""Commands that pretrain, and the stage that each ends with."""


def train(asked: Asked) -> int:
    """modou run, plan, clean, tokenizer, pretrain, sft, reward, dpo …: one run, to its end or to a stage before."""
    method = asked.command if asked.command in METHODS else "pretrain"
    until: StageName = "train" if asked.command == "pretrain" else STAGES.get(asked.command, "report")
    settings: Any = asked.settings_of(METHODS[method].settings)
    out = console.path(asked["out"])
    if asked.command in ("tokenizer", "pretrain"):
        out = run_folder(asked)
    elif asked.command == "run" and asked.words.get("BOOK") is None and out is None:
        raise UserError("cli.no_book")
    from modou.pipeline.runner import Request, run

    request = Request(method, sources(asked, method), settings, out, asked.switched("extend"), until)
    return console.trained(asked, lambda stop: run(request, stop))


def sources(asked: Asked, method: str) -> "dict[str, Source]":
    """The inputs that a command line names. UserError: one of them is not there."""
    from modou.runs.record import book_source, examples_source, judge_source, run_source
    from modou.tasks.registry import TASKS

    found: dict[str, Source] = {}
    if "BOOK" in asked.words:
        found["book"] = book_source(asked.words["BOOK"])
    if "base" in METHODS[method].inputs:
        found["base"] = run_source(Path(asked.words["RUN"]))
        found["data"] = examples_source(Path(asked.words["DATA"]), asked["columns"] or "")
    if "judge" in METHODS[method].inputs:
        judge = asked["judge"]
        if judge is None:
            raise UserError("cli.no_judge", usage=usage(asked.command))
        found["judge"] = judge_source(judge, tuple(TASKS))
    return found


def evaluate(asked: Asked) -> int:
    """modou evaluate."""
    folder, which = run_folder(asked), checkpoint(asked)
    given = asked.settings_of(RunSettings).model_dump(exclude_unset=True)
    from modou.pipeline.runner import again
    from modou.runs.folder import RunFolder

    return console.shown(asked, again(RunFolder(folder), "evaluate", given, which))


def report(asked: Asked) -> int:
    """modou report."""
    folder = run_folder(asked)
    from modou.pipeline.runner import again
    from modou.runs.folder import RunFolder

    return console.shown(asked, again(RunFolder(folder), "report", {}))


def run_folder(asked: Asked) -> Path:
    """RUN or --out. UserError: neither, or two that differ."""
    word, out = asked.words.get("RUN"), asked["out"]
    if word is None and out is None:
        raise UserError("cli.no_run", usage=usage(asked.command))
    if word is not None and out is not None and Path(word) != Path(out):
        raise UserError("cli.two_runs", first=word, second=out)
    return Path(word if word is not None else out or "")


def checkpoint(asked: Asked) -> str | int:
    """--checkpoint: best, latest, or a step. UserError: none of these."""
    which = asked["checkpoint"] or "best"
    if which in ("best", "latest"):
        return which
    if which.isascii() and which.isdecimal() and len(which) < 16:
        return int(which)
    raise UserError("cli.bad_checkpoint", which=which[:60])


COMMANDS = dict.fromkeys((*STAGES, *METHODS), train) | {"evaluate": evaluate, "report": report}
