"""Every method as one call: what a command line asks of the runner, without the words."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modou.pipeline.beginning import RunRequest
from modou.pipeline.inputs import book_source, examples_source, judge_source, run_source
from modou.pipeline.runner import never, run
from modou.runs.folder import RunFolder
from modou.runs.record import Record, Source
from modou.settings.methods import METHODS
from modou.settings.model import ModelSettings
from modou.settings.run import RunSettings
from modou.settings.train import with_minutes
from modou.train.events import Event, StageName


def pretrain(
    book: str | None,
    settings: RunSettings,
    out: Path | None = None,
    minutes: float | None = None,
    extend: bool = False,
    should_stop: Callable[[], bool] = never,
    until: StageName = "report",
    given: Mapping[str, Source] | None = None,
) -> Iterator[Event]:
    inputs = {**({} if book is None else {"book": book_source(book)}), **(given or {})}
    yield from run(RunRequest("pretrain", inputs, with_minutes(settings, minutes), out, extend, until), should_stop)


def aligned(
    method: str,
    base: Path,
    data: Path,
    settings: Any,
    out: Path | None = None,
    columns: str = "",
    should_stop: Callable[[], bool] = never,
    judge: str = "",
) -> Iterator[Event]:
    inputs = {"base": run_source(base), "data": examples_source(data, columns)}
    if judge:
        inputs["judge"] = judge_source(judge)
    yield from run(RunRequest(method, inputs, settings, out), should_stop)


def begun(
    run: RunFolder, shape: ModelSettings | None = None, method: str = "pretrain", **inputs: Source
) -> Record[Any]:
    """The record of a run that was never trained by a command."""
    settings: Any = METHODS[method].settings()
    if shape is not None and method == "pretrain":
        settings = settings.with_values({"model": shape.model_dump()})
    book = {"book": Source(kind="book", path="book.txt", sha256="0" * 64)}
    own = None if method == "pretrain" else shape or ModelSettings()
    record = Record(method, book if method == "pretrain" else inputs, settings, planned=True, shape=own)
    record.write(run)
    return record


def sft(*args: Any, **options: Any) -> Iterator[Event]:
    return aligned("sft", *args, **options)


def reward(*args: Any, **options: Any) -> Iterator[Event]:
    return aligned("reward", *args, **options)


def dpo(*args: Any, **options: Any) -> Iterator[Event]:
    return aligned("dpo", *args, **options)


def kto(*args: Any, **options: Any) -> Iterator[Event]:
    return aligned("kto", *args, **options)


def ppo(base: Path, data: Path, settings: Any, judge: str, out: Path, **options: Any) -> Iterator[Event]:
    return aligned("ppo", base, data, settings, out, judge=judge, **options)


def grpo(base: Path, data: Path, settings: Any, judge: str, out: Path, **options: Any) -> Iterator[Event]:
    return aligned("grpo", base, data, settings, out, judge=judge, **options)
