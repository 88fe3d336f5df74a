"""Settings of training: optimizer, schedule, loop."""

import math
import os
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from modou.messages import UserError
from modou.settings.base import Groups, Settings
from modou.settings.sampling import SamplingSettings

Share = Annotated[float, Field(ge=0, le=1)]
Tracker = Literal["none", "tensorboard", "wandb", "swanlab"]
Rate = Annotated[float, Field(ge=0, le=10)]


class OptimizerSettings(Settings):
    """The optimizer and its rates."""

    name: Literal["muon", "adamw"] = "muon"
    """muon = Muon for the block matrices, AdamW for the rest; adamw = AdamW for all."""
    matrix_lr: Rate = 0.02
    """Peak learning rate of the block matrices (about 0.02 with muon, 0.001 with adamw)."""
    embedding_lr: Rate = 0.004
    """Peak learning rate of embeddings and output head (always AdamW)."""
    norm_lr: Rate = 0.004
    """Peak learning rate of norms, biases and the reward or value head (always AdamW)."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Muon: Nesterov momentum."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """AdamW: decay of the first moment."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """AdamW: decay of the second moment."""
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.1
    """Decoupled weight decay of the block matrices, times the current rate."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Maximum norm of the gradient (clipped above); 0 = no clipping."""


class LoraSettings(Settings):
    """Low-rank adapters (LoRA)."""

    rank: Annotated[int, Field(ge=0, le=1024)] = 0
    """Rank of LoRA adapters beside frozen matrices; 0 = train all weights."""
    alpha: Annotated[float, Field(gt=0)] = 16.0
    """LoRA: the adapter's output is scaled by alpha / rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """LoRA: dropout on the adapter's inputs."""


class ScheduleSettings(Settings):
    """Learning rate over the run: linear warm-up, constant, linear cool-down, as shares of all steps."""

    warmup: Share = 0.02
    """Share of the steps, at the start, over which the rate rises linearly from 0."""
    cooldown: Share = 0.6
    """Share of the steps, at the end, over which the rate falls linearly to 0."""


MOST = 1 << 30
"""Maximum number of updates, rows or checkpoints: a larger one is a typing error."""


class TrainSettings(Settings):
    """The training loop: length, batches, evaluations, machine."""

    steps: Annotated[int, Field(ge=1, le=MOST)] = 1000
    """Number of updates."""
    minutes: Annotated[float, Field(ge=0)] = 0.0
    """Time limit of training in minutes: the number of steps and the schedule are fitted to it; 0 = none."""
    micro_batch: Annotated[int, Field(ge=0, le=MOST)] = 0
    """Sequences per forward pass; 0 = a process's whole share. Fewer save memory; the result does not depend on it."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of initial weights, data order and dropout."""
    average: Share = 0.1
    """Time constant of the exponential moving average of the weights, as a share of the steps so far; 0 = none."""
    evaluate_every: Annotated[int, Field(ge=1, lt=1 << 63)] = 100
    """Steps between evaluations, each with samples and a checkpoint."""
    keep: Annotated[int, Field(ge=1, le=MOST)] = 2
    """Number of latest checkpoints to keep, besides the best."""
    threads: Annotated[int, Field(ge=0, le=4096)] = 0
    """CPU threads; 0 = one per core."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto = cuda if present, else cpu; mps is untested."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type of matrix products; auto = bfloat16 on cuda; on a cpu, in pretraining, the quickest as measured."""
    attention: Literal["auto", "sdpa", "products"] = "auto"
    """On a cpu: sdpa = torch's attention kernel, products = plain matrix products; auto = the quickest as measured."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """Under torchrun: ddp = every process holds the whole model, fsdp = a shard of it."""
    track: Tracker = "none"
    """Log to TensorBoard, Weights & Biases or SwanLab as well (pip install 'modou[track]')."""


class BatchedSettings(TrainSettings):
    """The training loop over a fixed data set."""

    batch: Annotated[int, Field(ge=1, le=MOST)] = 16
    """Sequences per update, over all processes."""


class PretrainSettings(BatchedSettings):
    """The loop of pretraining."""

    document_mask: bool = False
    """Pack whole documents into rows; each attends to itself only. For many short documents, such as poems."""
    compile: bool = False
    """Compile the model with torch.compile (about a minute at the start)."""


class Trained(Groups):
    """The groups common to all methods."""

    planned: ClassVar[tuple[str, ...]] = ("train.steps", "train.evaluate_every")
    """Options that the plan chooses unless they are set."""
    planned_in_time: ClassVar[tuple[str, ...]] = ()
    """Options that the plan chooses to fit a time limit; without one their defaults apply."""

    train: TrainSettings = Field(default_factory=TrainSettings)
    """Training loop."""
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    """Optimizer."""
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    """Learning-rate schedule."""
    sampling: SamplingSettings = Field(default_factory=SamplingSettings)
    """Generation."""


T = TypeVar("T", bound=Trained)


def with_minutes(asked: T, minutes: float | None) -> T:
    """Settings with the time limit `minutes` (None: as set). The environment variable MODOU_MAX_MINUTES caps it."""
    value = os.environ.get("MODOU_MAX_MINUTES") or "inf"
    try:
        cap = float(value)
    except ValueError:
        cap = math.nan
    if not cap > 0:
        raise UserError("settings.no_number", option="MODOU_MAX_MINUTES", value=value[:60])
    if minutes is None and asked.is_set("train", "minutes"):
        minutes = asked.train.minutes
    return asked if minutes is None else asked.with_values({"train": {"minutes": min(minutes, cap)}})
