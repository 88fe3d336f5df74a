"""Shared code of the commands that train; the command of every method that starts from a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modou.cli import console
from modou.cli.spec import COLUMNS, COMMON, GIVEN, JUDGE, PRESET, Command, out, seed
from modou.messages import UserError
from modou.settings.methods import METHODS, MethodInfo

if TYPE_CHECKING:
    from modou.cli.asked import Asked
    from modou.runs.record import Source
    from modou.train.events import StageName

PRETRAIN = METHODS["pretrain"]
MINUTES = {"--minutes": "train.minutes"}
OF_BOOK = {"--columns": "clean.columns"}
SHAPE = {f"--{name}": f"model.{name}" for name in ("style", "position", "layers", "width")}
TEMPERATURE = {"--temperature": "sampling.temperature"}


def overwritten(method: MethodInfo) -> tuple[str, ...]:
    """Settings of sampling that an evaluation during training sets itself: one sample per prompt; for base models also
    its length."""
    return ("sampling.samples",) if method.answers else ("sampling.samples", "sampling.tokens")


def planned(method: MethodInfo) -> dict[str, str]:
    """See Command.chosen."""
    in_time = dict.fromkeys(method.settings.planned_in_time, "time")
    return dict.fromkeys(method.settings.planned, "plan") | in_time


def pretraining() -> dict[str, str]:
    """The same for the commands that pretrain, which train for MINUTES by default."""
    return planned(PRETRAIN) | {"train.minutes": "minutes"}


def method_command(method: MethodInfo) -> Command:
    """The command of a method that starts from a run and a file of examples."""
    writes = "sampling" in method.groups
    aliases = {f"--{method.duration.rpartition('.')[2]}": method.duration, **MINUTES}
    if writes:
        aliases |= {"--tokens": "sampling.tokens", **TEMPERATURE}
    seeds = ("train.seed", "sampling.seed") if writes else ("train.seed",)
    judge = (JUDGE,) if "judge" in method.inputs else ()
    return Command(
        method.name,
        train,
        ("RUN", "DATA"),
        (*judge, PRESET, out("out_method"), COLUMNS, seed(*seeds), *COMMON),
        method.groups,
        overwritten(method),
        aliases,
        chosen=planned(method),
        root=method.settings,
        method=method.name,
        goes_on=True,
    )


def train(asked: "Asked", until: "StageName" = "report") -> int:
    """Runs the stages up to `until`."""
    method = METHODS[asked.spec.method]
    settings: Any = asked.settings_of(method.settings)
    from modou.pipeline.beginning import RunRequest
    from modou.pipeline.runner import run

    where = run_folder(asked) if asked.spec.words == ("[RUN]",) else console.path(asked["out"])
    extend, replan = asked.switched("extend"), asked.switched("replan")
    request = RunRequest(method.name, sources(asked, method), settings, where, extend, until, replan)
    return console.trained(asked, lambda stop: run(request, stop), changes=until == "clean")


def sources(asked: "Asked", method: MethodInfo) -> "dict[str, Source]":
    """The inputs named on a command line. UserError: one does not exist."""
    from modou.pipeline.inputs import book_source, examples_source, judge_source, run_source

    found: dict[str, Source] = {}
    if "BOOK" in asked.words:
        found["book"] = book_source(asked.words["BOOK"])
    found |= {one.name: book_source(asked[one.name] or "") for one in GIVEN if asked[one.name] is not None}
    if (base := asked["base"]) is not None:
        found["base"] = run_source(Path(base))
    if "base" in method.inputs:
        found["base"] = run_source(Path(asked.words["RUN"]))
        found["data"] = examples_source(Path(asked.words["DATA"]), asked["columns"] or "")
    if "judge" in method.inputs:
        judge = asked["judge"]
        if judge is None:
            raise UserError("cli.no_judge", usage=asked.spec.usage)
        found["judge"] = judge_source(judge)
    return found


def run_folder(asked: "Asked") -> Path:
    """RUN or --out. UserError: neither, or two that differ."""
    word, out = asked.words.get("RUN"), asked["out"]
    if word is None and out is None:
        raise UserError("cli.no_run", usage=asked.spec.usage)
    if word is not None and out is not None and Path(word) != Path(out):
        raise UserError("cli.two_runs", first=word, second=out)
    return Path(word if word is not None else out or "")


def checkpoint(asked: "Asked") -> str | int:
    """--checkpoint: best, latest, or a step. UserError: none of these."""
    which = asked["checkpoint"] or ""
    if which in ("best", "latest"):
        return which
    if which.isascii() and which.isdecimal() and len(which) < 16:
        return int(which)
    raise UserError("cli.bad_checkpoint", which=which[:60])
