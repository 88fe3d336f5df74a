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
from typing import Any, Generic, TypeVar

from modou import storage
from modou.messages import UserError, quoted, text
from modou.methods import method_class
from modou.methods.base import Method
from modou.model.device import choose_device
from modou.pipeline.beginning import RunRequest, begin, is_begun, is_finished, joined
from modou.pipeline.inputs import tell_changed
from modou.pipeline.report import ReportFigures, collect, write
from modou.runs import checkpoints
from modou.runs.folder import RunFolder, find_checkpoint
from modou.runs.record import Record
from modou.runs.stages import (
    damage,
    read_stage,
    remove_damaged,
    stage_file,
    write_stage,
)
from modou.runs.stages import remedy as remedy_of
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
    if several and request.replan:
        raise UserError("pipeline.replan_alone")
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
        replan = request.settings if request.replan else None
        yield from Stages(folder, record, should_stop, first, replan).run(request.until)


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


class Stages(Generic[G]):
    """The stages of one run; `first`: this process writes (under torchrun the others only train). replan: choose the
    way to compute a training step anew, but for what these settings say."""

    def __init__(
        self,
        folder: RunFolder,
        record: Record[G],
        should_stop: Callable[[], bool],
        first: bool,
        replan: G | None = None,
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
        trained = read_stage(self.folder, "train")
        is_open = self.replan is not None and (trained is None or trained.numbers.get("stopped") != "finished")
        if self.replan is not None and not is_open:
            yield Notice(text("train.nothing_to_replan"))
        elif self.replan is not None and method.chooses_way:
            settings = method.replan(settings, self.replan)
            yield Notice(text("train.replanned", choice=way_of(settings).told))
        self.record = method.record = self.record.with_settings(settings)
        if is_open and self.first:
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
