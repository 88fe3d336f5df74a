"""A small real training: an invented book in two languages, its tokenizer and tokens, a GPT of two layers."""

import functools
import math
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou import storage
from modou.data.shards import Batches, write_shards
from modou.methods.pretrain import Pretrain
from modou.model.gpt import GPT
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.settings.model import ModelSettings
from modou.settings.run import RunSettings
from modou.settings.sampling import SamplingSettings
from modou.settings.text import TokenizerSettings
from modou.settings.train import PretrainSettings
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import Event
from modou.train.loop import Trainer
from modou.train.parallel import World, parallelize
from modou.train.saving import CheckpointWriter

CPU = World(torch.device("cpu"))
IDENTITY = {"corpus_sha256": "c" * 64, "tokenizer_sha256": "7" * 64}
WHO = ("阿豆", "老船工", "The miller", "豆娘", "Little Bean", "渡口的猫")
DOES = ("看见了", "借走", "found", "数着", "藏起", "waters")
WHAT = ("三颗豆子", "a silver spoon", "一盏灯", "旧木船", "the green door", "半袋米")
WHERE = ("在河边", "by the well", "，天还没亮", "under the bridge", "，谁也不说", "在雨里")


def sentences(count: int, seed: int = 0) -> str:
    """Invented sentences, one a line, Chinese and English mixed."""
    dice = random.Random(seed)
    return "\n".join(
        f"{dice.choice(WHO)} {dice.choice(DOES)} {dice.choice(WHAT)} {dice.choice(WHERE)}。" for _ in range(count)
    )


DOCUMENTS = tuple(sentences(6, seed) for seed in range(6))
VALIDATION = (sentences(3, 100), sentences(2, 101))


@functools.cache
def tokenizer() -> Tokenizer:
    return SentencePieceTokenizer.train(DOCUMENTS, TokenizerSettings(vocabulary=330, threads=1))


@functools.cache
def batches(context: int, rows: int) -> Batches:
    with tempfile.TemporaryDirectory() as folder:  # mapped files stay readable after they are unlinked
        return Batches(write_shards(DOCUMENTS, tokenizer(), Path(folder), workers=1), context, rows, seed=5)


def model_settings(layout: str = "modern", **changes: Any) -> ModelSettings:
    """modern, rope or learned; two layers of width 16."""
    values: dict[str, Any] = {
        "style": "modern" if layout == "modern" else "classic",
        "position": "learned" if layout == "learned" else "rope",
        "vocabulary": 330,
        "layers": 2,
        "width": 16,
        "heads": 2,
        "context": 16,
    }
    return ModelSettings(**values | changes)


def objective(batch: int, micro_batch: int = 0, context: int = 16, sampled: int = 5) -> Pretrain:
    return Pretrain(
        batches=batches(context, batch),
        tokenizer=tokenizer(),
        validation=VALIDATION,
        prompts=("阿豆 ", "The miller"),
        sampling=SamplingSettings(tokens=sampled, seed=3),
        characters_per_token=1.7,
        device=torch.device("cpu"),
        micro_batch=micro_batch,
    )


def trainer(
    folder: Path,
    *,
    model: ModelSettings | None = None,
    train: dict[str, Any] | None = None,
    optimizer: dict[str, Any] | None = None,
    schedule: dict[str, Any] | None = None,
    world: World = CPU,
    identity: dict[str, str] = IDENTITY,
    change: Callable[[Pretrain], Any] = lambda objective: objective,
    make: Callable[[ModelSettings], GPT] = GPT,
) -> Trainer:
    """A trainer on `folder`; `change` may put something in the objective's place, `make` in the model's."""
    defaults: dict[str, Any] = {"steps": 6, "batch": 4, "evaluate_every": 3, "seed": 11, "precision": "float32"}
    settings = PretrainSettings(**defaults | (train or {}))
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    gpt = parallelize(make(model or model_settings()), world)
    made = objective(settings.batch, settings.micro_batch, gpt.settings.context)
    return Trainer(
        gpt,
        change(replace(made, device=world.device)),
        RunSettings.parse({"train": settings.model_dump(), "optimizer": optimizer or {}, "schedule": schedule or {}}),
        CheckpointWriter(RunFolder(folder), identity, settings.keep, 1, world),
        world,
    )


def run(trainer: Trainer, stop_after: int | None = None) -> list[Event]:
    """All events; with `stop_after`, a stop is asked for after that many steps of this sitting."""
    done = 0

    def should_stop() -> bool:
        nonlocal done
        done += 1
        return stop_after is not None and done >= stop_after

    return list(trainer.run(should_stop))


def tensors(folder: Path, step: int | None = None) -> dict[str, Tensor]:
    """Every tensor of the newest checkpoint (or of `step`), as group/name."""
    at = folder / "checkpoints"
    if step is None:
        found = checkpoints.newest(at)
        assert found is not None
        step = found.step
    groups, _ = checkpoints.load(at / checkpoints.folder_name(step))
    return {f"{group}/{name}": tensor for group, named in groups.items() for name, tensor in named.items()}


def assert_same_bits(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].numpy().tobytes() == right[name].numpy().tobytes(), name


def assert_close(left: dict[str, Tensor], right: dict[str, Tensor], tolerance: float) -> None:
    """No element is off by more than `tolerance` and that share of its tensor's largest."""
    assert left.keys() == right.keys()
    for name in left:
        atol = tolerance * (1 + right[name].abs().max().item())
        torch.testing.assert_close(left[name], right[name], rtol=0, atol=atol, msg=lambda m, n=name: n + m)


def metrics(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl without times."""
    lines = storage.read_jsonl(folder / "metrics.jsonl")
    return [{key: value for key, value in line.items() if "seconds" not in key} for line in lines]


def progress(folder: Path) -> dict[str, Any]:
    """The newest checkpoint's counters without times."""
    found = checkpoints.newest(folder / "checkpoints")
    assert found is not None
    values = checkpoints.read_state(found.path)["progress"]
    return {key: value for key, value in values.items() if key != "seconds"}


def assert_same_run(left: Path, right: Path) -> None:
    """Weights, optimizer, average, counters, metrics, samples and the choice of the best: bit for bit."""
    assert_same_bits(tensors(left), tensors(right))
    assert progress(left) == progress(right)
    assert metrics(left) == metrics(right)
    for name in ("samples.jsonl", "checkpoints/best", "checkpoints/latest"):
        contents = [(folder / name).read_bytes() if (folder / name).exists() else None for folder in (left, right)]
        assert contents[0] == contents[1], name


def losses(folder: Path) -> list[float]:
    found = [line["metrics"]["loss"] for line in metrics(folder) if line["kind"] == "step"]
    assert all(math.isfinite(loss) for loss in found)
    return found


def of_kind(events: Sequence[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]
