"""How a model is trained."""

from typing import Annotated, Literal

from pydantic import Field

from modou.settings.base import Groups, Settings
from modou.settings.sampling import SamplingSettings

Share = Annotated[float, Field(ge=0, le=1)]
Tracker = Literal["none", "tensorboard", "wandb", "swanlab"]
Rate = Annotated[float, Field(ge=0, le=10)]


class OptimizerSettings(Settings):
    """The update rule and its rates."""

    name: Literal["muon", "adamw"] = "muon"
    """muon = Muon for matrices and AdamW for the rest; adamw = AdamW for everything."""
    matrix_lr: Rate = 0.02
    """Peak learning rate of the matrices in the blocks (about 0.02 for muon, 0.001 for adamw)."""
    embedding_lr: Rate = 0.004
    """Peak learning rate of embeddings and head (always AdamW)."""
    norm_lr: Rate = 0.004
    """Peak learning rate of norms, biases and a reward's or value's output (always AdamW)."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Momentum of Muon."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """AdamW's decay of the mean gradient."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """AdamW's decay of the mean squared gradient."""
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.1
    """Decay of the block matrices: each step takes off this share x the current rate."""
    clip: Annotated[float, Field(ge=0)] = 1.0
    """Largest gradient norm; 0 = no clipping."""


class ScheduleSettings(Settings):
    """Learning rate over the run: up, level, down. Shares are of all steps, so that a short run sees all three."""

    warmup: Share = 0.02
    """Share of the steps in which the rate rises from 0."""
    cooldown: Share = 0.6
    """Share of the steps, at the end, in which the rate falls."""


class TrainSettings(Settings):
    """The loop: how much, how often, on what."""

    steps: Annotated[int, Field(ge=1)] = 1000
    """Updates in all."""
    minutes: Annotated[float, Field(ge=0)] = 0.0
    """Time the steps may take; fewer steps are made where it does not pay for all. 0 = no limit."""
    micro_batch: Annotated[int, Field(ge=0)] = 0
    """Sequences a forward pass; 0 = the whole share of a process. Less saves memory, the result stays the same."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of initial weights, data order and dropout."""
    average: Share = 0.1
    """Time constant of the running average of the weights, as a share of the steps; 0 = no average."""
    evaluate_every: Annotated[int, Field(ge=1)] = 100
    """Steps from one evaluation, sample and checkpoint to the next."""
    keep: Annotated[int, Field(ge=1)] = 2
    """Newest checkpoints to keep, besides the best."""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads; 0 = one for each core."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto = cuda where there is one, else cpu. mps is untested here."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto = bfloat16 products on cuda, float32 elsewhere."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """Under torchrun: ddp = every process holds the whole model, fsdp = a share of it."""
    track: Tracker = "none"
    """Show the curve in TensorBoard, Weights & Biases or SwanLab too (pip install 'modou[track]')."""


class BatchedSettings(TrainSettings):
    """The loop, where the data is at hand: as many rows of it as one likes make an update."""

    batch: Annotated[int, Field(ge=1)] = 16
    """Sequences an update, over all processes."""


class PretrainSettings(BatchedSettings):
    """The loop of pretraining."""

    document_mask: bool = False
    """Fill rows with whole documents, each seeing itself alone: for many short ones, such as poems."""
    compile: bool = False
    """Compile the blocks with torch.compile (about a minute at the start)."""


class Trained(Groups):
    """The groups of everything that trains."""

    train: TrainSettings = TrainSettings()
    """Training loop."""
    optimizer: OptimizerSettings = OptimizerSettings()
    """Optimizer."""
    schedule: ScheduleSettings = ScheduleSettings()
    """Learning-rate schedule."""
    sampling: SamplingSettings = SamplingSettings()
    """Generation."""
