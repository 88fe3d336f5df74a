"""Saves and resumes training: checkpoints, with metrics.jsonl and samples.jsonl consistent with them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from modou.messages import UserError
from modou.model.gpt import GPT
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.logs import METRICS, SAMPLES, Log
from modou.runs.progress import Progress
from modou.runs.state import NAME, CheckpointState, unfit
from modou.train.average import WeightAverage
from modou.train.events import Evaluated, Sampled, Stepped
from modou.train.objective import Objective
from modou.train.parallel import World, gather, place


class CheckpointWriter:
    """Saves and resumes a run. identity: hashes of corpus, tokenizer and so on, which must match to resume."""

    def __init__(self, run: RunFolder, identity: dict[str, str], keep: int, log_every: int, world: World) -> None:
        self.run, self.identity, self.keep, self.log_every, self.world = run, identity, keep, log_every, world
        self.logs = {name: Log(run.path / name) for name in (METRICS, SAMPLES)}

    def save(
        self,
        model: GPT,
        optimizers: Sequence[torch.optim.Optimizer],
        average: WeightAverage | None,
        objective: Objective,
        progress: Progress,
        is_best: bool,
    ) -> None:
        """Saves a checkpoint. Collective: every process must call it, the main one writes."""
        tensors = {
            "model": {name: gather(tensor) for name, tensor in model.named_parameters()},
            "optimizer": collect_state(model, optimizers),
        }
        if kept := objective.tensors():
            tensors["objective"] = kept
        if average is not None:
            tensors["average"] = {name: gather(tensor) for name, tensor in average.tensors.items()}
        state = CheckpointState(
            progress=progress,
            weights=progress.weights,
            hashes=self.identity,
            objective=objective.state(),
            logs={name: log.mark() for name, log in self.logs.items()} if self.world.is_main else {},
            world=self.world.size,
            threads=torch.get_num_threads(),
            torch=torch.__version__,
        )
        if self.world.is_main:
            checkpoints.save(self.run.checkpoints, progress.step, tensors, state.to_json(), self.keep, is_best)
        self.world.barrier()

    def resume(
        self,
        model: GPT,
        optimizers: Sequence[torch.optim.Optimizer],
        average: WeightAverage | None,
        objective: Objective,
    ) -> tuple[Progress, tuple[str, ...]] | None:
        """Loads the newest intact checkpoint into the arguments, and removes the lines logged after it. Returns its
        progress, and what is wrong with newer checkpoints and logs; None if there is no checkpoint.

        UserError: it belongs to another corpus, tokenizer or format.
        """
        if self.world.is_main:
            checkpoints.clean_up(self.run.checkpoints)
        self.world.barrier()
        found = checkpoints.newest(self.run.checkpoints)
        if found is None:
            self._cut_logs(CheckpointState(Progress(0, 0), "model", {}))
            return None
        tensors, _ = checkpoints.load(found.path)
        state = CheckpointState.read(found.path)
        for name, value in self.identity.items():
            if state.hashes.get(name) != value:
                raise UserError(f"train.other_{name.removesuffix('_sha256')}", path=self.run.path)
        with unfit(found.path, "model.safetensors"):
            _place(model.named_parameters(), tensors["model"])
        with unfit(found.path, "optimizer.safetensors"):
            restore_state(model, optimizers, tensors["optimizer"])
        if average is not None:
            with unfit(found.path, "average.safetensors"):
                _place(average.tensors.items(), tensors["average"])
        with unfit(found.path, NAME):
            objective.restore(state.objective, tensors.get("objective", {}))
        problems = [*found.problems, *self._cut_logs(state)]
        if self.world.is_main:
            self._point(state.progress)
        return state.progress, tuple(str(problem) for problem in problems)

    def _point(self, progress: Progress) -> None:
        """`best` and `latest` as this checkpoint knows them."""
        is_there = progress.best is not None and progress.best_step in checkpoints.steps(self.run.checkpoints)
        checkpoints.point(self.run.checkpoints, progress.step, progress.best_step if is_there else None)

    def log_step(self, event: Stepped) -> None:
        """Appends a line to metrics.jsonl, every `log_every` steps."""
        if event.step % self.log_every == 0 or event.step == event.steps:
            self._append(METRICS, {"kind": "step", **asdict(event)})

    def log_evaluation(self, event: Evaluated) -> None:
        """Appends a line to metrics.jsonl."""
        self._append(METRICS, {"kind": "evaluation", **asdict(event)})

    def log_samples(self, event: Sampled) -> None:
        """Appends a line to samples.jsonl for each sample."""
        for sample in event.samples:
            self._append(SAMPLES, {"step": event.step, **asdict(sample)})

    def _append(self, name: str, values: dict[str, Any]) -> None:
        if self.world.is_main:
            self.logs[name].append(json.dumps(values, ensure_ascii=False))

    def _cut_logs(self, state: CheckpointState) -> list[checkpoints.Problem]:
        """Removes what was logged after the checkpoint; returns what is wrong with the logs."""
        if not self.world.is_main:
            return []
        found = [log.cut(state.logs.get(name), state.progress.step) for name, log in self.logs.items()]
        return [problem for problem in found if problem is not None]


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
    """Restores the result of `collect_state`, sharded like the parameters of this process.

    KeyError, ValueError: the tensors are those of other parameters.
    """
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
    if value.shape != parameter.shape:
        raise ValueError(f"a state of shape {tuple(value.shape)}")
    tensor = torch.zeros_like(parameter)
    place(tensor, value)
    return tensor


def _place(tensors: Iterable[tuple[str, Tensor]], saved: dict[str, Tensor]) -> None:
    """ValueError, KeyError: what was saved has other shapes or names."""
    for name, tensor in tensors:
        if saved[name].shape != tensor.shape:
            raise ValueError(name)
        place(tensor, saved[name])
