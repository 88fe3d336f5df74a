"""The stages as commands of their own, over one run folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

from modou import storage
from modou.errors import UserError
from modou.pipeline import run, stages
from modou.pipeline.events import Event, RunEnded
from modou.pipeline.frozen import Frozen, default_folder, fingerprint
from modou.pipeline.run import begin
from modou.runs.folder import RunFolder
from modou.settings.run import RunSettings
from modou.train.tracking import require


def clean(book: str, asked: RunSettings, out: Path | None = None) -> Iterator[Event]:
    """A book to cleaned text and its split."""
    folder = RunFolder(out or default_folder(book))
    fingerprint(book)
    folder.create()
    with folder.lock():
        yield from stages.clean(folder, begin(folder, book, asked))


def tokenizer(out: Path, asked: RunSettings) -> Iterator[Event]:
    """Cleaned text to a tokenizer and token files."""
    folder = RunFolder(out)
    if not (folder.corpus / "facts.json").exists():
        raise UserError("pipeline.nothing_prepared", path=out)
    with folder.lock():
        yield from run.prepare(folder, begin(folder, None, asked))


def pretrain(
    out: Path, asked: RunSettings, minutes: float | None, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[Event]:
    """Trains in a prepared folder, or goes on; one process, or several under torchrun."""
    folder = RunFolder(out)
    if not (folder.tokenizer / "card.json").exists():
        raise UserError("pipeline.no_tokenizer", path=out)
    require(asked.train.track)
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several and not Frozen.read(folder).planned:
        raise UserError("pipeline.plan_first", path=out)
    with nullcontext() if several and os.environ.get("RANK") != "0" else folder.lock():
        frozen = yield from run.make_plan(folder, begin(folder, None, run.with_minutes(asked, minutes)))
        finished = yield from run.train(folder, frozen, should_stop)
        yield RunEnded(folder.path, finished)


def plan(book: str, asked: RunSettings, minutes: float | None, out: Path | None = None) -> Iterator[Event]:
    """Prepares the text, measures the machine, and freezes the plan that `run` or `pretrain` will follow."""
    folder = RunFolder(out or default_folder(book))
    fingerprint(book)
    folder.create()
    with folder.lock():
        frozen = yield from run.prepare(folder, begin(folder, book, run.with_minutes(asked, minutes)))
        yield from run.make_plan(folder, frozen)


def evaluate(out: Path, asked: RunSettings, which: str | int = "best") -> Iterator[Event]:
    """Measures a trained run and remembers the figures for its report."""
    folder = RunFolder(out)
    folder.require()
    if not folder.checkpoints.exists():
        raise UserError("pipeline.not_trained", path=out)
    frozen = begin(folder, None, RunSettings())
    settings = frozen.settings.with_values(asked.model_dump(exclude_unset=True))
    with folder.lock():
        yield from run.evaluate(folder, settings, which)


def report(out: Path) -> Iterator[Event]:
    """Writes report.html and report.json anew from the figures in the folder."""
    folder = RunFolder(out)
    folder.require()
    if not run.evaluation_file(folder).exists():
        raise UserError("pipeline.not_evaluated", path=out)
    frozen = begin(folder, None, RunSettings())
    yield from run.write_report(folder, frozen, storage.read_json(run.evaluation_file(folder)))
