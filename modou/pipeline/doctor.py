"""`modou doctor`: speed, memory and disk of this machine; integrity of a run folder; problems found."""

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from modou.errors import UserError
from modou.messages import text
from modou.methods import method_class
from modou.model.device import choose_device
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.stages import damage, read_stage
from modou.runs.weights import load_model
from modou.train.environment import environment, memory_gb
from modou.train.measure import matrix_rate

SLOW_GFLOPS = 20
SMALL_DISK_GB = 2
SMALL_MEMORY_GB = 3


@dataclass(frozen=True)
class Examination:
    """Integrity of a run: each stage and checkpoint is "whole", "not done" or an error message; `works`: which of
    generate, evaluate and resume are still possible."""

    stages: dict[str, str] = field(default_factory=dict[str, str])
    checkpoints: dict[str, str] = field(default_factory=dict[str, str])
    works: dict[str, bool] = field(default_factory=dict[str, bool])
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "whole": not self.problems}


def diagnose(run: Path | None = None) -> dict[str, Any]:
    """Facts and remarks about this machine and a run. Takes about a second, plus reading the run's files once.

    UserError: no such run.
    """
    device = choose_device("auto")
    examined = None if run is None else examine(RunFolder(run))
    gflops = matrix_rate(device) / 1e9
    free = shutil.disk_usage(_existing(run or Path())).free / 2**30
    compiler = any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl"))
    remarks = [
        *(examined.problems if examined else ()),
        *([text("pipeline.doctor_slow", gflops=gflops)] if gflops < SLOW_GFLOPS else []),
        *([text("pipeline.doctor_disk", free=free)] if free < SMALL_DISK_GB else []),
        *([text("pipeline.doctor_memory", memory=memory_gb())] if 0 < memory_gb() < SMALL_MEMORY_GB else []),
        *([] if compiler else [text("pipeline.doctor_no_compiler")]),
    ]
    facts = environment(device) | {"matrix_gflops": gflops, "disk_free_gb": free, "compiler": compiler}
    found: dict[str, Any] = {"environment": facts, "remarks": remarks or [text("pipeline.doctor_fine")]}
    return found if examined is None else {"run": examined.to_json(), **found}


def examine(run: RunFolder) -> Examination:
    """Compares every recorded file with its hash and loads the weights.

    UserError: no such run.
    """
    run.require()
    try:
        record = Record[Any].read(run)
    except UserError as error:
        return Examination(works=dict.fromkeys(("generate", "evaluate", "resume"), False), problems=(str(error),))
    order = (*method_class(record.method).preparations, "plan", "train", "evaluate", "report")
    stages = {stage: _state(run, stage) for stage in order}
    saved = {
        checkpoints.folder_name(step): str(checkpoints.verify(run.checkpoints / checkpoints.folder_name(step)) or WHOLE)
        for step in checkpoints.steps(run.checkpoints)
    }
    problems = [state for state in (*stages.values(), *saved.values()) if state not in (WHOLE, NOT_DONE)]
    loads = bool(saved) and _loads(run, problems)
    text_is_there = all(stages[stage] == WHOLE for stage in method_class(record.method).preparations)
    works = {
        "generate": loads,
        "evaluate": loads and text_is_there,
        "resume": WHOLE in saved.values() and (text_is_there or _inputs_are_there(record)),
    }
    return Examination(stages, saved, works, tuple(dict.fromkeys(problems)))


WHOLE, NOT_DONE = "whole", "not done"


def _state(run: RunFolder, stage: str) -> str:
    return damage(run, stage) or (WHOLE if read_stage(run, stage) else NOT_DONE)


def _loads(run: RunFolder, problems: list[str]) -> bool:
    """Whether the run's model loads; an error is appended to `problems`."""
    try:
        load_model(run)
    except UserError as error:
        problems.append(str(error))
        return False
    return True


def _inputs_are_there(record: Record[Any]) -> bool:
    return all(source.kind in ("book", "rule") or Path(source.path).exists() for source in record.inputs.values())


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
