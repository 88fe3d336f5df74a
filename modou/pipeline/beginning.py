"""How a run is begun: what a command asks for, and what the folder holds already.

A folder that nothing was made in is taken as it is; one that was begun is taken up if the command agrees with its
record, and refused with the differences if not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from modou.corpora import named
from modou.messages import UserError, quoted, text
from modou.methods import method_class
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.record import Record, Source
from modou.runs.stages import damage, done, forget_stages, stage_file
from modou.runs.state import CheckpointState
from modou.settings.methods import METHODS
from modou.settings.train import Trained
from modou.train.events import StageName

G = TypeVar("G", bound=Trained)


@dataclass(frozen=True)
class RunRequest(Generic[G]):
    """What a command asks of a run. Inputs that are left out are taken as the run has them."""

    method: str
    inputs: Mapping[str, Source]
    settings: G
    out: Path | None = None
    extend: bool = False
    """Train a finished run longer."""
    until: StageName = "report"
    """The last stage."""
    replan: bool = False
    """Choose the way to compute a training step anew, on this machine."""

    @property
    def folder(self) -> RunFolder:
        """Where the run lies, or is to lie."""
        return RunFolder(self.out or default_folder(self.method, self.inputs))


def default_folder(method: str, inputs: Mapping[str, Source]) -> Path:
    """runs/NAME of a book; where training begins from a run, beside it: RUN-NAME of a book, else RUN-METHOD."""
    name = _book_name(inputs["book"].path) if "book" in inputs else method
    if "base" not in inputs:
        return Path("runs") / name
    base = Path(inputs["base"].path)
    whole = base.resolve()
    return (base if base.name else whole).with_name(f"{whole.name}-{name}")


def _book_name(book: str) -> str:
    name = book if named.is_named(book) else Path(book).resolve().name
    for ending in (".gz", ".jsonl", ".json", ".txt", ".md"):
        name = name.removesuffix(ending)
    return name or "book"


def begin(folder: RunFolder, request: RunRequest[G]) -> Record[G]:
    """Begins a run, or takes up the one in the folder. UserError names what differs, and what can be done."""
    asked = Record(request.method, request.inputs, request.settings)
    if not is_begun(folder):
        if request.extend:
            raise UserError("pipeline.nothing_to_extend", path=folder.path)
        missing = [name for name in METHODS[request.method].inputs if name not in request.inputs]
        if missing:
            raise UserError("pipeline.nothing_prepared", path=quoted(str(folder.path), plain=True))
        asked.write(folder)
        return asked
    here = Record[G].read(folder)
    if here.extended or request.extend:
        asked = asked.with_settings(without_budget(asked.settings))
    differences = here.differences(asked, None if here.planned else fixed_groups(folder))
    if differences:
        raise UserError(
            "pipeline.other_settings",
            path=folder.path,
            differences="; ".join(differences),
            remedy=remedy(folder, request, here),
        )
    if request.extend:
        return extended(folder, here, request.settings)
    # Inputs may lie elsewhere than before: what counts is what they hold.
    record = replace(here, inputs={**here.inputs, **request.inputs})
    if not here.planned:
        record = record.with_settings(here.settings.with_values(request.settings.model_dump(exclude_unset=True)))
    if record != here:
        record.write(folder)
    return record


def joined(folder: RunFolder, request: RunRequest[G]) -> Record[G]:
    """The record for a process that only helps to train: the plan where it is made, else what the command says."""
    if is_begun(folder) and (here := Record[G].read(folder)).planned:
        return here
    return Record(request.method, request.inputs, request.settings)


def is_finished(folder: RunFolder, record: Record[Any]) -> bool:
    """Whether the report is made and whole, and so is what the run was prepared with; and the model is there."""
    stages = (*method_class(record.method).preparations, "report")
    whole = done(folder, "report") is not None and not any(damage(folder, stage) for stage in stages)
    return whole and bool(checkpoints.steps(folder.checkpoints))


def is_begun(folder: RunFolder) -> bool:
    """Whether anything was made here that lasts: a text was cleaned, or a model trained. Until then all may change."""
    made = any(stage_file(folder, stage).exists() for stage in ("clean", "train"))
    return folder.exists() and (made or bool(checkpoints.steps(folder.checkpoints)))


def fixed_groups(folder: RunFolder) -> list[str]:
    """Groups of settings that can no longer change before the plan: those of stages that are done."""
    return [stage for stage in ("clean", "tokenizer") if done(folder, stage)]


def remedy(folder: RunFolder, request: RunRequest[Any], here: Record[Any]) -> str:
    """What helps somebody whose command differs from how the run was begun: only commands that work."""
    ways = [text("pipeline.remedy_out")]
    if request.method != here.method:
        return ways[0]
    known = here.inputs
    if all(name in known and known[name].holds_the_same(source) for name, source in request.inputs.items()):
        if "book" in known and checkpoints.steps(folder.checkpoints):
            ways.append(text("pipeline.remedy_extend", path=quoted(str(folder.path), plain=True)))
    elif done(folder, "clean"):
        ways.append(text("pipeline.remedy_go_on", path=quoted(str(folder.path), plain=True)))
    return text("pipeline.remedy_or").join(ways)


def without_budget(asked: G) -> G:
    """What is asked for beside steps and minutes."""
    values = asked.model_dump(exclude_unset=True)
    for name in ("steps", "minutes"):
        values.get("train", {}).pop(name, None)
    return type(asked).parse(values)


def extended(folder: RunFolder, record: Record[G], asked: G) -> Record[G]:
    """The run with as many more steps as are asked for, or as pay for the minutes asked for; neither: as many again.

    One that has not come to its end goes on to it, so that the same command takes up an extension that was stopped.
    UserError: nothing was trained yet.
    """
    found = checkpoints.newest(folder.checkpoints)
    if not record.planned or found is None:
        raise UserError("pipeline.nothing_to_extend", path=folder.path)
    planned, progress = record.settings.train, CheckpointState.read(found.path).progress
    at_its_end = progress.step >= progress.steps or stage_file(folder, "report").exists()
    if progress.planned == planned.steps and at_its_end:
        share = 1.0
        if asked.is_set("train", "steps"):
            share = asked.train.steps / planned.steps
        elif asked.train.minutes and planned.minutes:
            share = asked.train.minutes / planned.minutes
        steps = planned.steps + max(1, round(planned.steps * share))
        longer = {"steps": steps, "minutes": planned.minutes * (1 + share)}
        record = replace(record.with_settings(record.settings.with_values({"train": longer})), extended=True)
        record.write(folder)
    forget_stages(folder, ("train", "evaluate", "report"))
    for path in (folder.environment, folder.report_html, folder.report_json):
        path.unlink(missing_ok=True)
    return record
