"""`modou run`: from a book to a model that writes, a report that says how well, in one folder that resumes."""

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from modou import storage
from modou.errors import UserError
from modou.messages import language, text
from modou.model.census import describe
from modou.model.device import choose_device
from modou.pipeline import evaluation as judging
from modou.pipeline import stages, training
from modou.pipeline.advice import advice
from modou.pipeline.environment import environment
from modou.pipeline.events import (
    Event,
    Measured,
    Notice,
    Planned,
    RunEnded,
    StageBegan,
    StageEnded,
    StageName,
)
from modou.pipeline.frozen import Frozen, default_folder, fingerprint, without_budget
from modou.pipeline.measure import matrix_rate, peak_memory_mb
from modou.pipeline.plan import MINUTES, Budget, plan_tokenizer, plan_training
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.settings.run import RunSettings
from modou.settings.train import Trained
from modou.tokenizer.tokenizer import Tokenizer
from modou.train import events
from modou.train.tracking import require

T = TypeVar("T", bound=Trained)
STAGES: tuple[StageName, ...] = ("clean", "tokenizer", "shards", "plan", "train", "evaluate", "report")


def run(
    book: str,
    asked: RunSettings,
    out: Path | None = None,
    minutes: float | None = None,
    extend: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """All stages in order; what is done already is skipped. UserError: the folder was begun with other settings."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("pipeline.not_under_torchrun")
    folder = RunFolder(out or default_folder(book))
    fingerprint(book)  # a missing book, or tracker, is said before a folder is made
    require(asked.train.track)
    folder.create()
    with folder.lock():
        asked = with_minutes(asked, minutes)
        if not is_begun(folder) and not asked.train.minutes and not asked.is_set("train", "steps"):
            asked = with_minutes(asked, MINUTES)
            yield Notice(text("pipeline.default_minutes", minutes=asked.train.minutes))
        yield from run_stages(folder, begin(folder, book, asked, extend), should_stop)


def is_begun(folder: RunFolder) -> bool:
    """Whether anything was made here: a run whose book could not be read has settings and nothing else."""
    return folder.exists() and (folder.corpus / "facts.json").exists()


def begin(folder: RunFolder, book: str | None, asked: RunSettings, extend: bool = False) -> Frozen:
    """Begins a run of `book`, or takes up the one in the folder (any book if None); UserError names what differs."""
    if not is_begun(folder):
        if extend or book is None:
            raise UserError("pipeline.nothing_to_extend" if extend else "pipeline.nothing_prepared", path=folder.path)
        frozen = Frozen(book, fingerprint(book), False, asked)
    else:
        frozen = Frozen.read(folder)
        done = [name for name, made in (("clean", folder.corpus), ("tokenizer", folder.tokenizer)) if made.exists()]
        differences = frozen.differences(book, without_budget(asked) if extend else asked, done)
        if differences:
            raise UserError("pipeline.other_settings", path=folder.path, differences="; ".join(differences))
        if extend:
            return extended(folder, frozen, asked)
        if frozen.planned:
            return frozen
        frozen = replace(frozen, settings=frozen.settings.with_values(asked.model_dump(exclude_unset=True)))
    frozen.write(folder)
    return frozen


def with_minutes(asked: T, minutes: float | None) -> T:
    """`--minutes` laid over the settings. MODOU_MAX_MINUTES caps every budget (for tests and demonstrations)."""
    cap = float(os.environ.get("MODOU_MAX_MINUTES") or "inf")
    if minutes is None and asked.is_set("train", "minutes"):
        minutes = asked.train.minutes
    if minutes is None:
        return asked
    return asked.with_values({"train": {"minutes": min(minutes, cap)}})


def extended(folder: RunFolder, frozen: Frozen, asked: RunSettings) -> Frozen:
    """The run with as many more steps as are asked for, or as pay for the minutes asked for; neither: as many again.

    One that has not come to its end goes on to it, so that the same command takes up an extension that was stopped.
    UserError: nothing was trained yet.
    """
    found = checkpoints.newest(folder.checkpoints)
    if not frozen.planned or found is None:
        raise UserError("pipeline.nothing_to_extend", path=folder.path)
    planned, progress = frozen.settings.train, checkpoints.read_state(found.path)["progress"]
    at_its_end = progress["step"] >= progress["steps"] or folder.report_json.exists()
    if progress["planned"] == planned.steps and at_its_end:
        share = 1.0
        if asked.is_set("train", "steps"):
            share = asked.train.steps / planned.steps
        elif asked.train.minutes and planned.minutes:
            share = asked.train.minutes / planned.minutes
        steps = planned.steps + max(1, round(planned.steps * share))
        longer = {"steps": steps, "minutes": planned.minutes * (1 + share)}
        frozen = replace(frozen, settings=frozen.settings.with_values({"train": longer}), extended=True)
        frozen.write(folder)
    for path in (folder.report_html, folder.report_json):
        path.unlink(missing_ok=True)
    return frozen


def run_stages(folder: RunFolder, frozen: Frozen, should_stop: Callable[[], bool]) -> Iterator[Event]:
    """Everything after the beginning."""
    if folder.report_json.exists():
        yield Notice(text("pipeline.already_finished", path=folder.report_html))
        yield RunEnded(folder.path, True, storage.read_json(folder.report_json))
        return
    frozen = yield from prepare(folder, frozen)
    frozen = yield from make_plan(folder, frozen)
    if should_stop():
        yield RunEnded(folder.path, False)
        return
    finished = yield from train(folder, frozen, should_stop)
    if finished and not should_stop():
        yield from finish(folder, frozen)
    else:
        yield RunEnded(folder.path, False)


def prepare(folder: RunFolder, frozen: Frozen) -> Generator[Event, None, Frozen]:
    """Text, tokenizer, tokens. The vocabulary is planned in between: it hangs on the text alone."""
    yield _began("clean")
    yield from stages.clean(folder, frozen)
    if not frozen.planned:
        settings, choices = plan_tokenizer(stages.text_facts(folder), frozen.settings)
        frozen = replace(frozen, settings=settings)
        yield Planned(tuple((c.name, c.value, c.reason) for c in choices), None)
    yield _began("tokenizer")
    yield from stages.train_tokenizer(folder, frozen)
    yield _began("shards")
    yield from stages.write_tokens(folder)
    return frozen


def make_plan(folder: RunFolder, frozen: Frozen) -> Generator[Event, None, Frozen]:
    """Chooses what is open and freezes it; a frozen plan is never made again."""
    yield _began("plan")
    if frozen.planned:
        yield StageEnded("plan", skipped=True)
        return frozen
    settings = training.resolve_machine(frozen.settings)
    if not settings.train.minutes and not settings.is_set("train", "steps"):
        settings = with_minutes(settings, MINUTES)
        yield Notice(text("pipeline.default_minutes", minutes=settings.train.minutes))
    tokenizer = Tokenizer.load(folder.tokenizer)
    tokens = stages.open_tokens(folder, tokenizer).tokens
    rate = matrix_rate(choose_device(settings.train.device)) if settings.train.minutes else 0.0
    plan = plan_training(
        stages.text_facts(folder),
        tokens,
        tokenizer.vocabulary,
        Budget(settings.train.minutes, rate, training.measure_pace),
        settings,
    )
    frozen = frozen.planned_as(plan.settings)
    storage.write_json_atomically(folder.corpus / "plan.json", plan.to_json())
    frozen.write(folder)
    yield Planned(tuple((c.name, c.value, c.reason) for c in plan.choices), plan.expected)
    yield StageEnded("plan", plan.to_json())
    return frozen


def train(folder: RunFolder, frozen: Frozen, should_stop: Callable[[], bool]) -> Generator[Event, None, bool]:
    """The training stage; True where it came to its end."""
    yield _began("train")
    device = choose_device(frozen.settings.train.device)
    rates = [matrix_rate(device)]
    yield Measured(rates[0], describe(frozen.settings.model)["flops_per_token"], device.type)
    reason = "interrupted"
    for event in training.train(folder, frozen.settings, should_stop):
        if isinstance(event, events.Ended):
            reason = event.reason
        yield event
    rates.append(matrix_rate(device))
    facts = environment(device) | {"matrix_gflops": {"before": rates[0] / 1e9, "after": rates[1] / 1e9}}
    facts["peak_memory_mb"] = peak_memory_mb(device)
    if int(os.environ.get("RANK", "0")) == 0:
        storage.write_json_atomically(folder.environment, facts)
    yield StageEnded("train", {"stopped": reason})
    return reason != "interrupted"


def finish(folder: RunFolder, frozen: Frozen) -> Iterator[Event]:
    """Evaluation and report of a trained run."""
    numbers = yield from evaluate(folder, frozen.settings)
    yield from write_report(folder, frozen, numbers)


def evaluate(
    folder: RunFolder, settings: RunSettings, which: str | int = "best"
) -> Generator[Event, None, dict[str, Any]]:
    """Measures a checkpoint; the numbers are kept for the report."""
    yield _began("evaluate")
    numbers: dict[str, Any] = {}
    for event in judging.judge(folder, settings, which):
        if isinstance(event, StageEnded):
            numbers = event.numbers
        yield event
    storage.write_json_atomically(evaluation_file(folder), numbers)
    return numbers


def evaluation_file(folder: RunFolder) -> Path:
    """Where the figures of the last evaluation stand."""
    return folder.corpus / "evaluation.json"


def write_report(folder: RunFolder, frozen: Frozen, numbers: dict[str, Any]) -> Iterator[Event]:
    """report.json and report.html from what the stages left in the folder."""
    from modou.report.page import write_report as write_page

    yield _began("report")
    report = collect(folder, frozen, numbers)
    write_page(report, folder.path, language())
    yield StageEnded("report", {"path": str(folder.report_html)})
    yield RunEnded(folder.path, True, report)


def collect(folder: RunFolder, frozen: Frozen, numbers: dict[str, Any]) -> dict[str, Any]:
    """report.json: everything known of a run, nested names (docs/machine-readable.md)."""
    import modou

    facts = storage.read_json(folder.corpus / "facts.json")
    plan_file = folder.corpus / "plan.json"
    environment_facts = storage.read_json(folder.environment) if folder.environment.exists() else {}
    report: dict[str, Any] = {
        "modou": modou.__version__,
        "run": {"name": folder.path.name, "corpus": frozen.source, "language": facts["language"], "finished": True},
        "settings": frozen.settings.model_dump(mode="json"),
        "environment": environment_facts,
        "cleaning": facts["cleaning"],
        "split": facts["split"],
        "tokenizer": storage.read_json(folder.tokenizer / "card.json"),
        "model": describe(frozen.settings.model),
        "plan": storage.read_json(plan_file) if plan_file.exists() else {},
        "training": training.summary(frozen.settings, judging.history(folder)),
        **numbers,
        "samples": judging.samples(folder),
    }
    report["training"] |= share_of_peak(report)
    report["training"]["peak_memory_mb"] = environment_facts.get("peak_memory_mb")
    report["training"]["best_step"] = numbers.get("checkpoint", {}).get("step")
    report["advice"] = advice(report)
    return report


def share_of_peak(report: dict[str, Any]) -> dict[str, Any]:
    """Training FLOPs a second ÷ this machine's matrix rate; None without both."""
    rates = report["environment"].get("matrix_gflops")
    speed = report["training"].get("tokens_per_second")
    if not rates or not speed:
        return {"share_of_peak": None}
    return {"share_of_peak": speed * report["model"]["flops_per_token"] / (1e9 * max(rates.values()))}


def _began(stage: StageName) -> StageBegan:
    return StageBegan(stage, STAGES.index(stage) + 1, len(STAGES))
