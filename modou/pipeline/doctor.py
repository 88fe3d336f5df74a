"""`modou doctor`: speed, memory and disk of this machine; integrity of a run folder; problems found."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from modou.corpora.named import is_named
from modou.messages import UserError, text
from modou.methods import method_class
from modou.methods.planning import training_seconds
from modou.model.device import choose_device
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.logs import METRICS, SAMPLES, read_log
from modou.runs.record import Record
from modou.runs.stages import damage, read_stage, stage_file
from modou.runs.weights import load_model
from modou.settings.run import RunSettings
from modou.train.environment import Environment, environment, memory_gb
from modou.train.measure import matrix_rate
from modou.train.ways import TimedWay, can_compile, choose_way, opened

SLOW_GFLOPS = 20
SMALL_DISK_GB = 2
SMALL_MEMORY_GB = 3


@dataclass(frozen=True)
class Examination:
    """Integrity of a run."""

    stages: dict[str, str] = field(default_factory=dict[str, str])
    """Of each stage: "whole", "not done", or the sentence that says what is wrong."""
    checkpoints: dict[str, str] = field(default_factory=dict[str, str])
    """The same of each checkpoint, by the name of its folder."""
    works: dict[str, bool] = field(default_factory=dict[str, bool])
    """Whether "generate", "evaluate" and "resume" still work."""
    problems: tuple[str, ...] = ()
    """What is not as it was written, a sentence each."""
    whole: bool = field(init=False)
    """Whether every file is as it was written."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "whole", not self.problems)


@dataclass(frozen=True, kw_only=True)
class Machine(Environment):
    """Versions and machine, as measured now."""

    matrix_gflops: float
    """Rate of matrix multiplication in 10⁹ FLOP/s."""
    disk_free_gb: float
    """Free disk space in GiB, where the run lies or would lie."""
    compiler: bool
    """Whether there is a compiler for C++, which train.compile needs."""
    ways: list[TimedWay]
    """Ways to compute a training step, timed with the run's model, or a small one; empty on a GPU, and for a run that
    trains for a minute at most or is damaged."""


@dataclass(frozen=True)
class Diagnosis:
    """This machine, and a run."""

    run: Examination | None = field(default=None, kw_only=True)
    """Integrity of the run; absent where none is named."""
    environment: Machine
    """Versions and machine."""
    remarks: list[str]
    """What stands in the way of training here, a sentence each."""


def diagnose(run: Path | None = None) -> Diagnosis:
    """Facts and remarks about this machine and a run. Takes about ten seconds, a minute more where compiling
    is tried, plus reading the run's files once.

    UserError: no such run.
    """
    device = choose_device("auto")
    examined = None if run is None else examine(RunFolder(run))
    gflops = matrix_rate(device) / 1e9
    free = shutil.disk_usage(_existing(run or Path())).free / 2**30
    compiler = can_compile(torch.device("cpu"))
    remarks = [
        *(examined.problems if examined else ()),
        *([text("pipeline.doctor_slow", gflops=gflops)] if gflops < SLOW_GFLOPS else []),
        *([text("pipeline.doctor_disk", free=free)] if free < SMALL_DISK_GB else []),
        *([text("pipeline.doctor_memory", memory=memory_gb())] if 0 < memory_gb() < SMALL_MEMORY_GB else []),
        *([] if compiler else [text("pipeline.doctor_no_compiler")]),
    ]
    machine = Machine(
        **vars(environment(device)),
        matrix_gflops=gflops,
        disk_free_gb=free,
        compiler=compiler,
        ways=[] if examined and examined.problems else _ways(run),
    )
    return Diagnosis(machine, remarks or [text("pipeline.doctor_fine")], run=examined)


def _ways(run: Path | None) -> list[TimedWay]:
    settings = RunSettings.parse({"model": {"layers": 3, "context": 128}, "train": {"minutes": 10}})
    if run is not None:
        of_run = Record[Any].read(RunFolder(run)).settings
        if not isinstance(of_run, RunSettings):
            return []
        settings = opened(of_run).with_values({"train": {"device": "auto"}})
    return choose_way(settings, training_seconds(settings))[1]


def examine(run: RunFolder) -> Examination:
    """Compares every recorded file with its hash and loads the weights.

    UserError: no such run.
    """
    run.require()
    try:
        record = Record[Any].read(run)
    except UserError as error:
        return Examination(works=dict.fromkeys(("generate", "evaluate", "resume"), False), problems=(str(error),))
    method = method_class(record.method)
    order = (*method.preparations, *(("plan", "train", "evaluate", "report") if method.trains else ()))
    stages = {stage: _state(run, stage) for stage in order}
    saved = {
        checkpoints.folder_name(step): str(checkpoints.verify(run.checkpoints / checkpoints.folder_name(step)) or WHOLE)
        for step in checkpoints.steps(run.checkpoints)
    }
    problems = [said for said in (*stages.values(), *saved.values()) if said not in (WHOLE, NOT_DONE)]
    problems += _lost(run, record, stages)
    for find in (_of_logs, _of_pointers):
        problems += _problems(find, run)
    unloadable = _problems(_of_weights, run) if saved else []
    problems += unloadable
    loads = bool(saved) and not unloadable
    text_is_there = all(stages[stage] == WHOLE for stage in method.preparations)
    works = {
        "generate": loads,
        "evaluate": loads and text_is_there,
        "resume": method.trains and WHOLE in saved.values() and (text_is_there or _inputs_are_there(record)),
    }
    return Examination(stages, saved, works, tuple(dict.fromkeys(problems)))


WHOLE, NOT_DONE = "whole", "not done"


def _state(run: RunFolder, stage: str) -> str:
    return damage(run, stage) or (WHOLE if read_stage(run, stage) else NOT_DONE)


def _of_logs(run: RunFolder) -> list[str]:
    return [str(problem) for name in (METRICS, SAMPLES) if (problem := read_log(run, name)[1])]


def _lost(run: RunFolder, record: Record[Any], stages: dict[str, str]) -> list[str]:
    """Records of stages that must have been done: something that comes after them is there."""
    order = list(stages)
    done = [place for place, stage in enumerate(order) if stages[stage] != NOT_DONE]
    signs = {"plan": record.planned, "train": run.environment.exists(), "report": run.report_json.exists()}
    last = max([-1, *done, *(order.index(stage) for stage, is_there in signs.items() if is_there and stage in order)])
    lost = [stage for stage in order[: last + 1] if stages[stage] == NOT_DONE]
    if not signs["train"]:  # a training that was killed: its checkpoint may be evaluated all the same
        lost = [stage for stage in lost if stage != "train"]
    return [text("storage.not_as_written", path=stage_file(run, stage)) for stage in lost]


def _of_pointers(run: RunFolder) -> list[str]:
    found = checkpoints.best(run.checkpoints)
    if found is None:
        done = run.environment.exists()
        return [text("storage.no_checkpoint", folder=run.checkpoints)] if done else []
    latest = checkpoints.problem_of_latest(run.checkpoints)
    return [str(problem) for problem in (*found.problems, latest) if problem]


def _of_weights(run: RunFolder) -> list[str]:
    load_model(run)
    return []


def _problems(find: Callable[[RunFolder], list[str]], run: RunFolder) -> list[str]:
    """What `find` says, or the error that kept it from saying anything."""
    try:
        return find(run)
    except UserError as error:
        return [str(error)]


def _inputs_are_there(record: Record[Any]) -> bool:
    return all(
        source.kind == "rule" or is_named(source.path) or Path(source.path).exists()
        for source in record.inputs.values()
    )


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
