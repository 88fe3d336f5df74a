"""The one runner: begins a run or takes it up, and goes through its stages, whatever the method.

    preparations of the method → plan → train → evaluate → report

A stage that is done and whole is skipped; training goes on from its newest checkpoint. `modou run`, `modou sft` and all
other methods run to the report; `modou clean`, `tokenizer`, `plan` and `pretrain` stop earlier (`until`); `modou
evaluate` and `report` make one stage of a trained run again (`again`).
"""

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from modou import storage
from modou.corpora import named
from modou.messages import UserError, quoted, text
from modou.methods import method_class
from modou.methods.base import Method
from modou.model.device import choose_device
from modou.pipeline.inputs import tell_changed
from modou.pipeline.report import ReportFigures, collect, write
from modou.runs import checkpoints
from modou.runs.folder import RunFolder, find_checkpoint
from modou.runs.record import Record, Source
from modou.runs.stages import (
    damage,
    done,
    forget_stages,
    read_stage,
    remove_damaged,
    stage_file,
    write_stage,
)
from modou.runs.stages import remedy as remedy_of
from modou.runs.state import CheckpointState
from modou.settings.methods import METHODS
from modou.settings.train import Trained, with_minutes
from modou.train import events
from modou.train.environment import TrainingEnvironment, environment
from modou.train.events import Ended, Evaluated, Event, Measured, Notice, RunEnded, StageBegan, StageEnded, StageName
from modou.train.loop import Trainer
from modou.train.malloc import keep_freed_memory
from modou.train.measure import matrix_rate, peak_memory_mb
from modou.train.parallel import join_world, leave_world, processes, resolve_machine
from modou.train.saving import CheckpointWriter
from modou.train.tracking import require, tracked
from modou.train.ways import settled, shortcomings, way_of

G = TypeVar("G", bound=Trained)
LINES = 1000
"""Lines of metrics.jsonl that a run writes, about."""


@dataclass(frozen=True)
class TrainFigures:
    """How the training ended."""

    stopped: events.Reason
    """finished or interrupted."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


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
    """runs/NAME of a book; beside its base, RUN-METHOD, for a method that begins from a run."""
    if "base" in inputs:
        base = Path(inputs["base"].path)
        whole = base.resolve()
        return (base if base.name else whole).with_name(f"{whole.name}-{method}")
    book = inputs["book"].path
    name = book if named.is_named(book) else Path(book).resolve().name
    for ending in (".gz", ".jsonl", ".json", ".txt", ".md"):
        name = name.removesuffix(ending)
    return Path("runs") / (name or "book")


def run(request: RunRequest[Any], should_stop: Callable[[], bool] = never) -> Iterator[Event]:
    """All stages up to the one that is asked for, in one process or under torchrun.

    UserError: the folder was begun otherwise, or what a stage says. Everything before training follows from the command
    and the files alone, so that every process of torchrun plans the same.
    """
    require(request.settings.train.track)  # a missing tracker or device is said before a folder is made
    choose_device(request.settings.train.device)
    folder = request.folder
    request = replace(request, settings=with_minutes(request.settings, None))
    several, first = processes() > 1, os.environ.get("RANK", "0") == "0"
    if (
        several
        and METHODS[request.method].inputs == ("book",)
        and not (folder.exists() and Record.read(folder).planned)
    ):
        raise UserError("pipeline.plan_first", path=quoted(str(folder.path), plain=True))
    if any(name not in request.inputs for name in METHODS[request.method].inputs):
        folder.require()  # what is not named must be known to the folder
    if first:
        folder.create()
    with folder.lock() if first else nullcontext():
        is_timed = first and not is_begun(folder) and request.until in ("plan", "train", "report")
        if is_timed and (budget := method_class(request.method).default_budget(request.settings)):
            yield default_minutes(budget)
            request = replace(request, settings=budget)
        record = begin(folder, request) if first else joined(folder, request)
        if request.until == "report" and is_finished(folder, record):
            page = folder.report_html if method_class(record.method).has_page else folder.report_json
            yield Notice(text("pipeline.already_finished", path=page))
            yield RunEnded(folder.path, True, storage.read_json(folder.report_json))
            return
        yield from Stages(folder, record, should_stop, first, request.replan).run(request.until)


def again(folder: RunFolder, stage: StageName, asked: Mapping[str, Any], which: str | int = "best") -> Iterator[Event]:
    """`evaluate` or `report` of a trained run once more; `asked`: groups of settings that evaluation may change."""
    folder.require()
    if not checkpoints.steps(folder.checkpoints):
        raise UserError("pipeline.not_trained", path=folder.checkpoints, remedy=remedy_of(folder, "train"))
    with folder.lock():
        record = Record[Any].read(folder)
        tell_changed(record)
        stages = Stages(folder, record.with_settings(record.settings.with_values(asked)), never, True)
        yield from stages.again(stage, which)


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


class Stages(Generic[G]):
    """The stages of one run; `first`: this process writes (under torchrun the others only train)."""

    def __init__(
        self,
        folder: RunFolder,
        record: Record[G],
        should_stop: Callable[[], bool],
        first: bool,
        replan: bool = False,
    ) -> None:
        self.folder, self.record, self.should_stop, self.first = folder, record, should_stop, first
        self.replan = replan
        self.preparations = method_class(record.method).preparations
        self.order: tuple[StageName, ...] = (*self.preparations, "plan", "train", "evaluate", "report")

    def run(self, until: StageName) -> Iterator[Event]:
        """From the first stage that is not done to `until`."""
        last = self.order.index(until)
        yield self._began(self.order[0])
        method: Method[G] = method_class(self.record.method)(self.folder, self.record)
        for stage in self.preparations[: last + 1]:
            if stage != self.order[0]:
                yield self._began(stage)
            yield from self._prepare(method, stage)
        if last < self.order.index("plan"):
            return
        yield from self._plan(method)
        if last < self.order.index("train"):
            return
        if self.should_stop():
            yield RunEnded(self.folder.path, False)
            return
        finished = yield from self._train(method)
        if until == "train" or not self.first or not finished or self.should_stop():
            yield RunEnded(self.folder.path, finished)
            return
        yield from self._evaluate(method, "best")
        yield from self._report(method)

    def again(self, stage: StageName, which: str | int) -> Iterator[Event]:
        """`evaluate` or `report`, whether or not it is done."""
        method: Method[G] = method_class(self.record.method)(self.folder, self.record)
        if stage == "evaluate":
            yield from self._evaluate(method, which, anew=True)
        else:
            yield from self._report(method)

    def _prepare(self, method: Method[G], stage: StageName) -> Iterator[Event]:
        if problem := damage(self.folder, stage):
            yield Notice(text("pipeline.made_again", reason=problem), "warning")
            if self.first:
                remove_damaged(self.folder, stage)
        for event in method.prepare(stage, None if problem else read_stage(self.folder, stage)):
            if isinstance(event, StageEnded) and self.first and not event.skipped:
                write_stage(self.folder, stage, event.figures, event.files)
            yield event
        self.record = method.record

    def _plan(self, method: Method[G]) -> Iterator[Event]:
        """Chooses what is open and freezes it; a frozen plan is never made again."""
        yield self._began("plan")
        if self.record.planned:
            yield from self._take_up(method)
            yield StageEnded("plan", skipped=True)
            return
        settings = self.record.settings
        if budget := method.default_budget(settings):
            yield default_minutes(budget)
            settings = budget
        settings, plan = yield from method.plan(resolve_machine(settings))
        settings = settled(settings, way_of(settings))
        self.record = method.record = self.record.with_settings(settings, planned=True)
        if self.first:
            self.record.write(self.folder)
            write_stage(self.folder, "plan", plan or {})
        yield StageEnded("plan", plan or {})

    def _take_up(self, method: Method[G]) -> Iterator[Event]:
        """A frozen plan on the machine at hand: the way to compute a step stays, unless `replan` is asked for."""
        settings = resolve_machine(self.record.settings)
        settings = settled(settings, way_of(settings))
        if self.replan and method.chooses_way:
            settings = method.replan(settings)
            yield Notice(text("train.replanned", choice=way_of(settings).told))
        self.record = method.record = self.record.with_settings(settings)
        if self.replan and self.first:
            self.record.write(self.folder)

    def _train(self, method: Method[G]) -> Generator[Event, None, bool]:
        """The training stage; True where it came to its end."""
        yield self._began("train")
        if stage_file(self.folder, "train").exists() and not checkpoints.steps(self.folder.checkpoints):
            lost = text("storage.not_as_written", path=self.folder.checkpoints)
            yield Notice(text("pipeline.made_again", reason=lost), "warning")
        settings = self.record.settings
        reason: events.Reason = "interrupted"
        keep_freed_memory()
        for said in shortcomings(settings):
            yield Notice(text("train.replan", said=said) if method.chooses_way else said, "warning")
        device = choose_device(settings.train.device)
        flops, rates = method.flops_per_token(settings), list[float]()
        if flops is not None and self.first:
            rates.append(matrix_rate(device, seconds=0.2))
            yield Measured(rates[0], flops, device.type)
        world = join_world(device, settings.train.parallel)
        try:
            model, objective = method.build(settings, world)
            log_every = max(1, settings.train.steps // LINES)
            writer = CheckpointWriter(self.folder, method.identity(), settings.train.keep, log_every, world)
            told = Trainer(model, objective, settings, writer, world).run(self.should_stop)
            tracker = settings.train.track if world.is_main else "none"
            name, values = self.folder.path.name, settings.model_dump(mode="json")
            for event in tracked(told, tracker, self.folder.tracking, name, values):
                if isinstance(event, Evaluated) and rates:
                    # As near as can be to the steps whose speed is told by it: other programs come and go.
                    rates.append(matrix_rate(device, seconds=0.0))
                if isinstance(event, Ended):
                    reason = event.reason
                yield event
        finally:
            leave_world(world)
        facts = TrainingEnvironment(
            **vars(environment(device)),
            peak_memory_mb=peak_memory_mb(device),
            matrix_gflops={"before": rates[0] / 1e9, "after": rates[-1] / 1e9, "best": max(rates) / 1e9}
            if rates
            else None,
        )
        found = TrainFigures(reason)
        if self.first:
            storage.write_json_atomically(self.folder.environment, storage.to_json(facts))
            write_stage(self.folder, "train", found, (self.folder.environment,))
        yield StageEnded("train", found)
        return reason != "interrupted"

    def _evaluate(self, method: Method[G], which: str | int, anew: bool = False) -> Iterator[Event]:
        """The figures of a checkpoint. They stand for that one alone: where it is damaged, they are taken again."""
        yield self._began("evaluate")
        if problem := damage(self.folder, "evaluate"):
            yield Notice(text("pipeline.made_again", reason=problem), "warning")
        elif not anew and (found := read_stage(self.folder, "evaluate")):
            yield StageEnded("evaluate", found.numbers, skipped=True)
            return
        manifest = checkpoints.manifest_file(find_checkpoint(self.folder, which).path)
        for event in method.evaluate(self.record.settings, which):
            if isinstance(event, StageEnded):
                write_stage(self.folder, "evaluate", event.figures, (manifest,))
            yield event

    def _report(self, method: Method[G]) -> Iterator[Event]:
        """report.json and report.html from what the stages left in the folder."""
        yield self._began("report")
        report = storage.to_json(collect(self.folder, self.record, method))
        page = write(report, self.folder, method)
        files = tuple(path for path in (self.folder.report_json, self.folder.report_html) if path.exists())
        write_stage(self.folder, "report", ReportFigures(page.name), files)
        yield StageEnded("report", ReportFigures(str(page)))
        yield RunEnded(self.folder.path, True, report)

    def _began(self, stage: StageName) -> StageBegan:
        return StageBegan(stage, self.order.index(stage) + 1, len(self.order))


def default_minutes(settings: Trained) -> Notice:
    """How long a run will take where nobody said it."""
    return Notice(text("pipeline.default_minutes", minutes=settings.train.minutes))
