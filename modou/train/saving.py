"""Saves and resumes training: checkpoints, with metrics.jsonl and samples.jsonl consistent with them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modou import storage
from modou.errors import UserError
from modou.model.gpt import GPT
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.train.average import WeightAverage
from modou.train.events import Evaluated, Sampled, Stepped
from modou.train.objective import Objective
from modou.train.parallel import World, gather, place
from modou.train.progress import Progress

FORMAT = 1


@dataclass(frozen=True)
class Resumed:
    """The checkpoint that training resumes from."""

    progress: Progress
    path: Path
    problems: tuple[str, ...]


class CheckpointWriter:
    """Saves and resumes a run. identity: hashes of corpus, tokenizer and so on, which must match to resume."""

    def __init__(self, run: RunFolder, identity: dict[str, str], keep: int, log_every: int, world: World) -> None:
        self.run, self.identity, self.keep, self.log_every, self.world = run, identity, keep, log_every, world

    def save(
        self,
        model: GPT,
        optimizers: Sequence[torch.optim.Optimizer],
        average: WeightAverage | None,
        objective: Objective,
        progress: Progress,
        is_best: bool,
    ) -> Path:
        """Saves a checkpoint. Collective: every process must call it, the main one writes."""
        tensors = {
            "model": {name: gather(tensor) for name, tensor in model.named_parameters()},
            "optimizer": collect_state(model, optimizers),
        }
        if kept := objective.tensors():
            tensors["objective"] = kept
        if average is not None:
            tensors["average"] = {name: gather(tensor) for name, tensor in average.tensors.items()}
        state: dict[str, Any] = {
            "format": FORMAT,
            **self.identity,
            "weights": progress.weights,
            "progress": progress.to_json(),
            "objective": objective.state(),
            "world": self.world.size,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        path = self.run.checkpoints / checkpoints.folder_name(progress.step)
        if self.world.is_main:
            checkpoints.save(self.run.checkpoints, progress.step, tensors, state, self.keep, is_best)
        self.world.barrier()
        return path

    def resume(
        self,
        model: GPT,
        optimizers: Sequence[torch.optim.Optimizer],
        average: WeightAverage | None,
        objective: Objective,
    ) -> Resumed | None:
        """Loads the newest intact checkpoint into the arguments; None if there is none. Lines logged after it are
        removed.

        UserError: it belongs to another corpus, tokenizer or format.
        """
        if self.world.is_main:
            checkpoints.clean_up(self.run.checkpoints)
        self.world.barrier()
        found = checkpoints.newest(self.run.checkpoints)
        if found is None:
            self._remove_lines_after(0)
            return None
        tensors, state = checkpoints.load(found.path)
        if state.get("format") != FORMAT:
            raise UserError("train.other_format", path=found.path, format=state.get("format"))
        for name, value in self.identity.items():
            if state.get(name) != value:
                raise UserError(f"train.other_{name.removesuffix('_sha256')}", path=self.run.path)
        for name, parameter in model.named_parameters():
            place(parameter, tensors["model"][name])
        restore_state(model, optimizers, tensors["optimizer"])
        if average is not None:
            for name, tensor in average.tensors.items():
                place(tensor, tensors["average"][name])
        objective.restore(state["objective"], tensors.get("objective", {}))
        progress = Progress.from_json(state["progress"])
        if self.world.is_main:
            checkpoints.point(self.run.checkpoints, progress.step, progress.best_step == progress.step)
        self._remove_lines_after(progress.step)
        return Resumed(progress, found.path, tuple(str(problem) for problem in found.problems))

    def log_step(self, event: Stepped) -> None:
        """Appends a line to metrics.jsonl, every `log_every` steps."""
        if event.step % self.log_every == 0 or event.step == event.steps:
            self._append(self.run.metrics, {"kind": "step", **asdict(event)})

    def log_evaluation(self, event: Evaluated) -> None:
        """Appends a line to metrics.jsonl."""
        self._append(self.run.metrics, {"kind": "evaluation", **asdict(event)})

    def log_samples(self, event: Sampled) -> None:
        """Appends a line to samples.jsonl for each sample."""
        for sample in event.samples:
            self._append(self.run.samples, {"step": event.step, **sample})

    def _append(self, path: Path, values: dict[str, Any]) -> None:
        if self.world.is_main:
            storage.append_line(path, _line(values))

    def _remove_lines_after(self, step: int) -> None:
        """Steps after the last checkpoint are repeated: without this their lines would be there twice."""
        if not self.world.is_main:
            return
        for path in (self.run.metrics, self.run.samples):
            if path.exists():
                kept = [line for line in storage.read_jsonl(path) if line["step"] <= step]
                storage.write_text_atomically(path, "".join(_line(line) + "\n" for line in kept))


def collect_state(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The optimizers' state, unsharded, so that it fits any number of processes: {"parameter name/state name": tensor}
    on the CPU. Collective: every process must call it."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    return {
        f"{names[parameter]}/{key}": gather(value)
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def restore_state(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Restores what `collect_state` returned, sharded like the parameters of this process."""
    by_name: dict[str, dict[str, Tensor]] = {}
    for path, tensor in tensors.items():
        name, key = path.rsplit("/", 1)
        by_name.setdefault(name, {})[key] = tensor
    parameters = dict(model.named_parameters())
    for optimizer in optimizers:
        owned = {parameter for group in optimizer.param_groups for parameter in group["params"]}
        for name, state in by_name.items():
            parameter = parameters[name]
            if parameter in owned:
                optimizer.state[parameter] = {key: _placed(value, parameter) for key, value in state.items()}


def _placed(value: Tensor, parameter: nn.Parameter) -> Tensor:
    if value.ndim == 0:  # a step count
        return value.to(parameter.device)
    tensor = torch.zeros_like(parameter)
    place(tensor, value)
    return tensor


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
