"""`modou align TASK`: data, pretraining, SFT, preference learning, RL and comparison of a task in one command.

The task's recipe (modou.tasks.base) lists the stages and the run each starts from. Every stage writes its own run
folder or file below one folder, with the same functions as the single commands. Repeating the command resumes it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from modou import storage
from modou.messages import UserError, named, text
from modou.pipeline.beginning import RunRequest
from modou.pipeline.compare import compare
from modou.pipeline.inputs import book_source, examples_source, judge_source, run_source
from modou.pipeline.pairs import write_pairs
from modou.pipeline.runner import run
from modou.pipeline.task import write_task
from modou.report.compared import COMPARE_JSON
from modou.settings.base import merge
from modou.settings.methods import METHODS
from modou.settings.presets import read_preset
from modou.settings.sampling import SamplingSettings
from modou.settings.train import Trained
from modou.tasks.base import PAIRS, Recipe, Stage, Task
from modou.tasks.registry import named_task
from modou.train.events import Event, Notice, RunEnded

T = TypeVar("T", bound=Trained)
Start = Callable[[], Iterator[Event]]


@dataclass(frozen=True)
class Part:
    """A stage, ready to start. `made`: the file whose existence means "done"; None: `start` skips finished work."""

    name: str
    start: Start
    made: Path | None = None


@dataclass(frozen=True)
class TaskStages:
    """The stages of a task below one folder; `minutes`: training time of all stages together."""

    task: Task
    folder: Path
    minutes: float
    should_stop: Callable[[], bool]

    @property
    def recipe(self) -> Recipe:
        return self.task.recipe

    def settings(self, name: str, root: type[T]) -> T:
        """A stage's settings, its minutes scaled so that all stages add up to `minutes`."""
        tables = part_settings(self.task, name)
        minutes = tables.get("train", {}).get("minutes")
        if minutes:
            tables = merge(tables, {"train": {"minutes": self.minutes / self.recipe.minutes * minutes}})
        if reference := self.recipe.stage(name).reference:
            tables = merge(tables, {"reward": {"reference": str(self.folder / reference)}})
        return root.parse(tables)

    def parts(self, methods: tuple[str, ...]) -> list[Part]:
        """The mandatory stages and those of the chosen methods, in the recipe's order."""
        chosen = [stage for stage in self.recipe.stages if not stage.optional or stage.name in methods]
        return [Part(stage.name, self._start(stage, methods), self._made(stage, methods)) for stage in chosen]

    def _start(self, stage: Stage, methods: tuple[str, ...]) -> Start:
        """The function that runs a stage, its arguments bound."""
        match stage.kind:
            case "task":
                return partial(write_task, self.task.name, self._data())
            case "pairs":
                run, data = self.folder / stage.after, self._data(stage.data)
                return partial(write_pairs, run, data, self._data(PAIRS), "", self._sampling(stage))
            case "compare":
                runs = [self.folder / name for name in self._compared(stage, methods)]
                judges = list(dict.fromkeys(self._judge(one) for one in self.recipe.stages if one.judge))
                options = (self.recipe.questions, self._sampling(stage), self.folder)
                return partial(compare, runs, self._data(stage.data), judges, "", *options)
            case method:
                return partial(self._train, stage, self.settings(stage.name, METHODS[method].settings))

    def _train(self, stage: Stage, settings: Trained) -> Iterator[Event]:
        """Runs a training method. Its inputs are hashed only now, when the stages that write them are done."""
        sources = {
            "book": lambda: book_source(stage.corpus or str(self._data(stage.data))),
            "base": lambda: run_source(self.folder / stage.after),
            "data": lambda: examples_source(self._data(stage.data)),
            "judge": lambda: judge_source(self._judge(stage)),
        }
        inputs = {name: sources[name]() for name in METHODS[stage.kind].inputs}
        return run(RunRequest(stage.kind, inputs, settings, self.folder / stage.name), self.should_stop)

    def _made(self, stage: Stage, methods: tuple[str, ...]) -> Path | None:
        match stage.kind:
            case "task":
                return self._data(stage.data)
            case "pairs":
                return self._data(PAIRS)
            case "compare":  # repeated when a method was added since
                made, names = self.folder / COMPARE_JSON, set(self._compared(stage, methods))
                return made if made.exists() and names <= set(storage.read_json(made)["runs"]) else None
            case _:
                return None

    def _data(self, file: str = "") -> Path:
        return self.folder / "data" / file

    def _judge(self, stage: Stage) -> str:
        """A reward model's folder, or the name of a task whose rules are the judge."""
        is_stage = any(stage.judge == other.name for other in self.recipe.stages if other.kind == "reward")
        return str(self.folder / stage.judge) if is_stage else stage.judge

    def _sampling(self, stage: Stage) -> SamplingSettings:
        """Temperature 1 and no truncation: the distribution of the run that a stage starts from itself."""
        usual = SamplingSettings.parse(part_settings(self.task, stage.after).get("sampling", {}))
        return SamplingSettings(temperature=1.0, top_p=1.0, tokens=usual.tokens)

    def _compared(self, stage: Stage, methods: tuple[str, ...]) -> list[str]:
        """The reference run, the runs it was trained from, and those of the methods."""
        ancestry = [stage.after]
        while before := self.recipe.stage(ancestry[-1]).after:
            ancestry.append(before)
        return [*ancestry, *(name for name in self.recipe.methods if name in methods)]


def align(
    name: str,
    folder: Path,
    minutes: float | None = None,
    methods: tuple[str, ...] = (),
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Runs all stages of a task; finished ones are skipped.

    UserError: no such task or method; a stage was begun with other settings.
    """
    task = named_task(name)
    known = task.recipe.methods
    for method in methods:
        if method not in known:
            raise UserError("align.no_such_method", method=method, task=name, methods=", ".join(known))
    parts = TaskStages(task, folder, minutes or task.recipe.minutes, should_stop).parts(methods or known)
    for number, part in enumerate(parts, 1):
        yield Notice(text("align.part", number=number, of=len(parts), name=title(part.name)))
        if part.made is not None and part.made.exists():
            yield Notice(text("align.part_done", path=part.made))
            continue
        for event in part.start():
            yield event
            if isinstance(event, RunEnded) and not event.finished:
                return
        if should_stop():
            yield RunEnded(folder, False)
            return


def title(part: str) -> str:
    """What a stage is called: a method as its group of options is; what has no message, by its own name."""
    return named("help.group", part) if part in METHODS else named("align.part", part)


def part_settings(task: Task, part: str) -> dict[str, Any]:
    """The settings of a stage: the preset of its name (such as poems.sft), overridden by the recipe's own."""
    stage, file = task.recipe.stage(part), task.recipe.file
    return merge(read_preset(f"{file}.{part}", stage.kind) if file else {}, dict(stage.settings))
