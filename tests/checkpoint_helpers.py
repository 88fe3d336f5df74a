"""Checkpoints that tell their step, and what can be done to them."""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou import storage
from modou.runs import checkpoints
from modou.runs.progress import Progress
from modou.runs.state import CheckpointState

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")


def groups(step: int, size: int = 5) -> dict[str, dict[str, Tensor]]:
    """Tensors that tell their step, so that a mixture of two states shows."""
    weight = torch.arange(size, dtype=torch.float32) + step
    return {"model": {"weight": weight, "bias": weight[:2] * 3}, "optimizer": {"weight.first": -weight}}


def state(step: int, best: int | None = None, **more: Any) -> dict[str, Any]:
    """state.json of a training at `step` whose best evaluation was at `best` (else at the same step)."""
    progress = Progress(planned=100, steps=100, step=step, best=1.0, best_step=step if best is None else best)
    return CheckpointState(progress, "model", {}).to_json() | more


def save(folder: Path, step: int, keep: int = 2, best: bool = False, size: int = 5) -> Path:
    return checkpoints.save(folder, step, groups(step, size), {"step": step, "seen": [step, "魔豆"]}, keep, best)


def check(path: Path, step: int, size: int = 5) -> None:
    """The checkpoint at `path` is that of `step`, all of it."""
    tensors, state = checkpoints.load(path)
    assert state == {"step": step, "seen": [step, "魔豆"]}
    expected = groups(step, size)
    assert {g: set(t) for g, t in tensors.items()} == {g: set(t) for g, t in expected.items()}
    for group, content in expected.items():
        for name, tensor in content.items():
            assert torch.equal(tensors[group][name], tensor)


def newest_step(folder: Path, size: int = 5) -> int:
    found = checkpoints.newest(folder)
    assert found is not None
    check(found.path, found.step, size)
    return found.step


def temporaries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if storage.is_temporary(path)]


def three(folder: Path) -> Path:
    """Steps 1 to 3, of which 1 is the best."""
    for step in (1, 2, 3):
        save(folder, step, best=step == 1)
    return folder


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "deleted":
        path.unlink()
    elif how.startswith("cut"):
        path.write_bytes(data[: {"cut to 0": 0, "cut to 1": 1, "cut in half": len(data) // 2, "cut by 1": -1}[how]])
    elif how == "longer":
        path.write_bytes(data + b" x")
    else:
        place = {"flipped first": 0, "flipped middle": len(data) // 2, "flipped last": len(data) - 1}[how]
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def at(folder: Path, step: int) -> Path:
    return folder / checkpoints.folder_name(step)


def best_step(folder: Path) -> int:
    found = checkpoints.best(folder)
    assert found is not None and not found.problems
    return found.step
