"""From a prepared run folder to a trainer, and the training stage."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

from modou.data.packing import make_batches
from modou.errors import UserError
from modou.evaluate.likelihood import excerpts
from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.pipeline.measure import wait
from modou.pipeline.stages import open_tokens
from modou.runs.folder import RunFolder
from modou.settings.run import RunSettings
from modou.settings.train import Trained
from modou.text.corpus import Corpus
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Event
from modou.train.loop import LoopSettings, Trainer
from modou.train.malloc import keep_freed_memory
from modou.train.parallel import World, join_world, leave_world, parallelize
from modou.train.pretrain import Pretrain
from modou.train.saving import CheckpointWriter
from modou.train.tracking import tracked

T = TypeVar("T", bound=Trained)
OPENING = 8
"""Characters of a chapter's opening that serve as a prompt."""
LINES = 1000
"""Lines of metrics.jsonl that a run writes, about."""


def resolve_machine(settings: T) -> T:
    """Device, precision and threads, chosen where they are left to the machine; sets torch's threads."""
    device = choose_device(settings.train.device)
    precision = settings.train.precision
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    if settings.train.threads:
        torch.set_num_threads(settings.train.threads)
    chosen = {"device": device.type, "precision": precision, "threads": torch.get_num_threads()}
    return settings.with_values({"train": chosen})


def build(folder: RunFolder, settings: RunSettings, world: World) -> Trainer:
    """The trainer of a run whose text, tokenizer and tokens are prepared. UserError: they are not."""
    tokenizer = Tokenizer.load(folder.tokenizer)
    corpus = Corpus(folder.corpus)
    shards = open_tokens(folder, tokenizer)
    train, model_settings = settings.train, settings.model
    if model_settings.vocabulary != tokenizer.vocabulary:
        raise UserError("pipeline.other_vocabulary", path=folder.tokenizer)
    torch.manual_seed(train.seed)
    model = GPT(model_settings)
    precision = torch.bfloat16 if train.precision == "bfloat16" else torch.float32
    model = parallelize(model, world, precision)
    if train.compile:
        model.training_hidden = torch.compile(model.hidden)
    characters = corpus.characters("train")
    objective = Pretrain(
        batches=make_batches(shards, model_settings.context, train.batch, train.seed, train.document_mask),
        tokenizer=tokenizer,
        validation=excerpts(list(corpus.texts("validation")), settings.evaluate.quick_characters),
        prompts=prompts(corpus, settings),
        sampling=settings.sampling.changed(tokens=80, samples=1),
        characters_per_token=characters / max(1, shards.tokens - shards.documents),
        device=world.device,
        micro_batch=train.micro_batch,
        noise=train.noise,
    )
    identity = {"corpus_sha256": corpus.sha256, "tokenizer_sha256": tokenizer.sha256}
    log_every = max(1, train.steps // LINES)
    writer = CheckpointWriter(folder, identity, train.keep, log_every, world)
    loop = LoopSettings(train, settings.optimizer, settings.schedule)
    return Trainer(model, objective, loop, writer, world)


def prompts(corpus: Corpus, settings: RunSettings, count: int = 3) -> list[str]:
    """The user's prompts, or openings of validation chapters."""
    if settings.evaluate.prompts:
        return list(settings.evaluate.prompts)
    openings = [text.split("\n")[0][:OPENING] for text in corpus.texts("validation")]
    return openings[:count]


def train(folder: RunFolder, settings: RunSettings, should_stop: Callable[[], bool]) -> Iterator[Event]:
    """Trains, or goes on, under one process or torchrun."""
    keep_freed_memory()
    device = choose_device(settings.train.device)
    if settings.train.threads:
        torch.set_num_threads(settings.train.threads)
    world = join_world(device, settings.train.parallel)
    tracker = settings.train.track if world.is_main else "none"
    try:
        events = build(folder, settings, world).run(should_stop)
        yield from tracked(events, tracker, folder.tracking, folder.path.name, settings.model_dump(mode="json"))
    finally:
        leave_world(world)


def measure_pace(settings: RunSettings, seconds: float = 2.0) -> float:
    """Training tokens a second of this shape on this machine: real steps on random tokens, for about `seconds`."""
    from modou.train.optim import make_optimizers

    keep_freed_memory()
    device = choose_device(settings.train.device)
    generator = torch.Generator().manual_seed(0)
    model = parallelize(GPT(settings.model), World(device))
    if settings.train.compile:
        model.training_hidden = torch.compile(model.hidden)
    optimizers = make_optimizers(model, settings.optimizer)
    shape = (settings.train.micro_batch or settings.train.batch, settings.model.context)
    ids = torch.randint(0, settings.model.vocabulary, shape, generator=generator).to(device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.train.precision == "bfloat16"):
            loss = model.loss(ids, ids)
        (loss / ids.numel()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    step()  # the first is slower: memory is asked for, kernels are chosen
    wait(device)
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or done < 2:
        step()
        wait(device)
        done += 1
    return done * ids.numel() / (time.perf_counter() - began)


def summary(settings: RunSettings, history: list[dict[str, Any]]) -> dict[str, Any]:
    """What training did, from metrics.jsonl."""
    steps = [line for line in history if line["kind"] == "step"]
    evaluations = [line for line in history if line["kind"] == "evaluation"]
    last = steps[-1] if steps else {"step": 0, "seconds": 0.0}
    tokens = last["step"] * settings.train.batch * settings.model.context
    return {
        "steps": last["step"],
        "tokens": tokens,
        "seconds": last["seconds"],
        "tokens_per_second": tokens / last["seconds"] if last["seconds"] else None,
        "history": [_evaluation(line, steps) for line in evaluations],
    }


def _evaluation(line: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """One evaluation, with the training figure of the steps just before it."""
    near = [s["metrics"]["bits_per_char"] for s in steps if s["step"] <= line["step"]][-20:]
    numbers = line["numbers"]
    return {
        "step": line["step"],
        "seconds": line["seconds"],
        "train_bits_per_char": sum(near) / len(near) if near else None,
        "validation_bits_per_char": numbers["validation"]["bits_per_char"],
        "averaged_bits_per_char": numbers.get("average", numbers)["validation"]["bits_per_char"],
    }
