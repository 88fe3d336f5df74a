"""Two processes on gloo, each training in a world of two; what they found comes back through files."""

import multiprocessing
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from train_helpers import model_settings, trainer

from modou.train.loop import Trainer
from modou.train.parallel import World, gather

LIMIT = 240
"""Seconds after which both are killed."""
Work = Callable[[int, Path], None]


def start_two(work: Work, folder: Path) -> None:
    """Runs work(rank, folder) in two fresh processes; AssertionError with what the first failing one said."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_enter, args=(work, rank, folder), daemon=True) for rank in range(2)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(LIMIT)
    finally:
        for process in processes:
            process.kill()
            process.join()
    said = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("error-*"))]
    assert not said, said[0]
    assert [process.exitcode for process in processes] == [0, 0]


def _enter(work: Work, rank: int, folder: Path) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    try:
        dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
        work(rank, folder)
        dist.destroy_process_group()
    except BaseException:
        (folder / f"error-{rank}").write_text(traceback.format_exc(), encoding="utf-8")
        os._exit(1)  # the other one hangs in a collective: the parent sees this one's end and kills it


def world_of_two(rank: int, strategy: str) -> World:
    shape = (2, 1) if strategy == "ddp" else (1, 2)
    mesh = init_device_mesh("cpu", shape, mesh_dim_names=("replicate", "shard"))
    return World(torch.device("cpu"), rank, 2, mesh)


def record_gradients(made: Trainer) -> list[dict[str, Tensor]]:
    """A list that grows by the whole gradients of every update that `made` makes."""
    recorded: list[dict[str, Tensor]] = []

    def record(*_: Any) -> None:
        recorded.append({n: gather(p.grad) for n, p in made.model.named_parameters() if p.grad is not None})

    made.optimizers[0].register_step_pre_hook(record)
    return recorded


# Tied and untied, Muon and AdamW, every layout; a batch that two ranks cannot share evenly, in uneven micro-batches.
CASES: dict[str, dict[str, Any]] = {
    "tied-muon": {"model": model_settings("modern"), "optimizer": {"name": "muon", "clip": 0}},
    "untied-muon": {"model": model_settings("rope", tied=False), "optimizer": {"name": "muon", "clip": 0}},
    "tied-adamw": {"model": model_settings("learned"), "optimizer": {"name": "adamw", "matrix_lr": 0.003, "clip": 0.5}},
    "untied-adamw": {
        "model": model_settings("modern", tied=False, heads=4, kv_heads=2),
        "optimizer": {"name": "adamw", "matrix_lr": 0.003, "clip": 0},
    },
}
TRAIN: dict[str, Any] = {"steps": 3, "batch": 5, "micro_batch": 2, "evaluate_every": 2}


def case(folder: Path, name: str, world: World, **train: Any) -> Trainer:
    return trainer(folder, world=world, train=TRAIN | train, **CASES[name])
