"""What every alignment command does: begin or take up a folder, read the data, plan, train, evaluate."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from modou import storage
from modou.data.conversation import Template
from modou.data.packing import make_batches
from modou.errors import UserError
from modou.evaluate.likelihood import bits_per_character, excerpts
from modou.messages import text
from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.pipeline.align.beginning import Beginning, name_beginning, take_up, write_beginning
from modou.pipeline.environment import environment
from modou.pipeline.events import Event, Notice, RunEnded, StageBegan, StageEnded, StageName
from modou.pipeline.measure import peak_memory_mb
from modou.pipeline.run import with_minutes
from modou.pipeline.stages import open_tokens
from modou.pipeline.training import LINES, resolve_machine
from modou.runs.folder import RunFolder, load_weights, method_of
from modou.settings.align import Writing
from modou.settings.train import Trained
from modou.text.corpus import Corpus
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Ended
from modou.train.loop import LoopSettings, Trainer
from modou.train.malloc import keep_freed_memory
from modou.train.objective import Objective
from modou.train.parallel import World, join_world, leave_world
from modou.train.replay import BaseKLRegularizer
from modou.train.saving import CheckpointWriter
from modou.train.tracking import require, tracked

STAGES: tuple[StageName, ...] = ("data", "train", "evaluate")
DRIFT_CHARACTERS = 20_000
"""Characters of validation text on which forgetting is measured."""
EVALUATIONS, BUDGETED_EVALUATIONS = 8, 16
"""Evaluations of a run, about; more where minutes are to be kept, since only then is a run fitted to them."""

G = TypeVar("G", bound=Trained)
G_contra = TypeVar("G_contra", bound=Trained, contravariant=True)


class Method(Protocol[G_contra]):
    """What differs from one alignment method to another. Made from a run's beginning; the data is read then."""

    template: Template
    """With the tokenizer as the run is to keep it."""

    def __init__(self, beginning: Beginning[G_contra]) -> None: ...

    def facts(self) -> dict[str, Any]:
        """What the data holds, for people and programs."""
        ...

    def steps(self, settings: G_contra) -> int:
        """Updates, where nobody says how many."""
        ...

    def stride(self, settings: G_contra) -> int:
        """Steps that belong together: evaluations fall between."""
        ...

    def build(self, settings: G_contra, world: World) -> tuple[GPT, Objective]:
        """The model to train, spread over `world`, and the objective."""
        ...

    def evaluate(self, folder: RunFolder, settings: G_contra) -> dict[str, Any]:
        """The figures of the trained run."""
        ...


def run_method(
    name: str,
    base: Path,
    data: Path,
    asked: G,
    out: Path | None,
    columns: str,
    should_stop: Callable[[], bool],
    make: Callable[[Beginning[G]], Method[G]],
    judge: str = "",
) -> Iterator[Event]:
    """All stages in order, in one process or under torchrun; what is done already is skipped.

    Everything before training follows from the command and the file alone, so every process plans the same.
    """
    whole = base.resolve()
    folder = RunFolder(out or (base if base.name else whole).with_name(f"{whole.name}-{name}"))
    require(asked.train.track)
    wanted = name_beginning(name, base, data, columns, with_minutes(asked, None), judge)
    several, first = int(os.environ.get("WORLD_SIZE", "1")) > 1, os.environ.get("RANK", "0") == "0"
    if first:
        folder.create()
    with folder.lock() if first else nullcontext():
        beginning = take_up(folder, wanted) if first else wanted
        if folder.report_json.exists():
            yield Notice(text("align.already_finished", path=folder.path))
            yield RunEnded(folder.path, True, storage.read_json(folder.report_json))
            return
        yield _began("data")
        method = make(beginning)
        yield StageEnded("data", method.facts())
        settings = plan(method, beginning.settings)
        if several and settings != plan(method, wanted.settings):  # the other processes know only the command
            raise UserError("align.same_options", path=folder.path)
        if first:
            write_beginning(folder, replace(beginning, settings=settings), planned=True)
            method.template.tokenizer.save(folder.tokenizer)
        yield _began("train")
        reason = yield from train(folder, method, settings, beginning, should_stop)
        if not first or reason == "interrupted" or should_stop():
            yield RunEnded(folder.path, reason != "interrupted")
            return
        yield _began("evaluate")
        numbers = method.evaluate(folder, settings)
        yield StageEnded("evaluate", numbers)
        report = collect(folder, replace(beginning, settings=settings), method.facts(), numbers)
        storage.write_json_atomically(folder.report_json, report)
        yield RunEnded(folder.path, True, report)


def plan(method: Method[G], settings: G) -> G:
    """Steps, evaluations and machine, where they are left open."""
    chosen: dict[str, Any] = {}
    if not settings.is_set("train", "steps"):
        chosen["steps"] = method.steps(settings)
    if not settings.is_set("train", "evaluate_every"):
        steps = int(chosen.get("steps", settings.train.steps))
        evaluations = BUDGETED_EVALUATIONS if settings.train.minutes else EVALUATIONS
        chosen["evaluate_every"] = -(-steps // evaluations // method.stride(settings)) * method.stride(settings)
    return resolve_machine(settings.with_values({"train": chosen}))


def train(
    folder: RunFolder, method: Method[G], settings: G, beginning: Beginning[G], should_stop: Callable[[], bool]
) -> Generator[Event, None, str]:
    """The training stage; why it ended."""
    keep_freed_memory()
    device = choose_device(settings.train.device)
    world = join_world(device, settings.train.parallel)
    reason = "interrupted"
    try:
        model, objective = method.build(settings, world)
        if isinstance(settings, Writing) and settings.replay.rows:
            base = RunFolder(Path(beginning.base))
            replay = base_kl_regularizer(objective, base, settings, world)
            if replay is None and world.is_main:
                yield Notice(text("align.nothing_to_replay", path=base.path))
            objective = replay or objective
        identity = {
            "base_sha256": beginning.base_sha256,
            "data_sha256": beginning.data_sha256,
            "judge_sha256": beginning.judge_sha256,
            "tokenizer_sha256": Tokenizer.load(folder.tokenizer).sha256,
        }
        writer = CheckpointWriter(folder, identity, settings.train.keep, max(1, settings.train.steps // LINES), world)
        loop = LoopSettings(settings.train, settings.optimizer, settings.schedule)
        events = Trainer(model, objective, loop, writer, world).run(should_stop)
        tracker = settings.train.track if world.is_main else "none"
        for event in tracked(events, tracker, folder.tracking, folder.path.name, settings.model_dump(mode="json")):
            if isinstance(event, Ended):
                reason = event.reason
            yield event
        if world.is_main:
            facts = environment(device) | {"peak_memory_mb": peak_memory_mb(device)}
            storage.write_json_atomically(folder.environment, facts)
    finally:
        leave_world(world)
    return reason


def line_of(run: RunFolder) -> Iterator[RunFolder]:
    """The run, the one it began from, and so on to the pretrained one, as far as their folders still lie there."""
    while run.exists():
        yield run
        if method_of(run) == "pretrain":
            return
        run = RunFolder(Path(str(run.read_settings()["run"]["base"])))


def base_kl_regularizer(
    objective: Objective, base: RunFolder, settings: Writing, world: World
) -> BaseKLRegularizer | None:
    """The objective, and beside it the text that the first run in the line was pretrained on; None: it is not there."""
    *_, first = line_of(base)
    if not (first.corpus / "tokens").exists():
        return None
    shards = open_tokens(first, Tokenizer.load(first.tokenizer))
    model, _, _ = load_weights(base, extend=True)
    context = min(model.settings.context, shards.tokens - 1)
    document_mask = bool(first.read_settings().get("train", {}).get("document_mask", False))
    text = make_batches(shards, context, settings.replay.rows, settings.train.seed, document_mask)
    return BaseKLRegularizer(
        objective, text, model.eval().requires_grad_(False).to(world.device), settings.replay, world
    )


def drift(base: RunFolder, before: GPT, after: GPT, tokenizer: Tokenizer) -> dict[str, Any]:
    """What became of what was pretrained: bits per character of validation text before and after. The text is that of
    the first run in the line, if it still lies there."""
    *_, first = line_of(base)
    if not (first.corpus / "facts.json").exists():
        return {}
    texts = excerpts(list(Corpus(first.corpus).texts("validation")), DRIFT_CHARACTERS)
    was, now = (bits_per_character(model, tokenizer, texts) for model in (before, after))
    return {"drift": {**was.gain_over(now), "before": was.value, "now": now.value}}


def collect(
    folder: RunFolder, beginning: Beginning[G], data: dict[str, Any], numbers: dict[str, Any]
) -> dict[str, Any]:
    """report.json of an aligned run."""
    import modou

    evaluations = storage.read_jsonl(folder.metrics) if folder.metrics.exists() else []
    steps = [line for line in evaluations if line["kind"] == "step"]
    return {
        "modou": modou.__version__,
        "run": {
            "name": folder.path.name,
            "method": beginning.method,
            "base": beginning.base,
            "data": beginning.data,
            "finished": True,
        },
        "settings": beginning.settings.model_dump(mode="json"),
        "environment": storage.read_json(folder.environment),
        "data": data,
        "training": {
            "steps": steps[-1]["step"] if steps else 0,
            "seconds": steps[-1]["seconds"] if steps else 0.0,
            "history": [
                {"step": line["step"], "seconds": line["seconds"], **_figures(line["numbers"]["validation"])}
                for line in evaluations
                if line["kind"] == "evaluation"
            ],
        },
        **numbers,
    }


def _figures(numbers: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if not isinstance(value, dict)}


def _began(stage: StageName) -> StageBegan:
    return StageBegan(stage, STAGES.index(stage) + 1, len(STAGES))
