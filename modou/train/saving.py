"""Keeps a run on disk: checkpoints to resume from, metrics.jsonl and samples.jsonl that match them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from modou import storage
from modou.errors import UserError
from modou.model.gpt import GPT
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.train import optimizer_state
from modou.train.average import WeightAverage
from modou.train.events import Evaluated, Sampled, Stepped
from modou.train.objective import Objective
from modou.train.parallel import World, gather, place
from modou.train.progress import Progress

FORMAT = 1


@dataclass(frozen=True)
class Resumed:
    """What was found on disk."""

    progress: Progress
    path: Path
    problems: tuple[str, ...]


class CheckpointWriter:
    """Saves and finds a training in its run folder; to resume, `identity` (hashes of corpus, tokenizer) must match."""

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
        """One checkpoint; every process must call it, the main one writes."""
        tensors = {
            "model": {name: gather(tensor) for name, tensor in model.named_parameters()},
            "optimizer": optimizer_state.collect(model, optimizers),
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
        """Takes up the newest whole checkpoint. UserError: it belongs to another corpus, tokenizer or format."""
        if self.world.is_main:
            checkpoints.clean_up(self.run.checkpoints)
        self.world.barrier()
        found = checkpoints.newest(self.run.checkpoints)
        if found is None:
            self._forget_after(0)
            return None
        tensors, state = checkpoints.load(found.path)
        if state.get("format") != FORMAT:
            raise UserError("train.other_format", path=found.path, format=state.get("format"))
        for name, value in self.identity.items():
            if state.get(name) != value:
                raise UserError(f"train.other_{name.removesuffix('_sha256')}", path=self.run.path)
        for name, parameter in model.named_parameters():
            place(parameter, tensors["model"][name])
        optimizer_state.restore(model, optimizers, tensors["optimizer"])
        if average is not None:
            for name, tensor in average.tensors.items():
                place(tensor, tensors["average"][name])
        objective.restore(state["objective"], tensors.get("objective", {}))
        progress = Progress.from_json(state["progress"])
        if self.world.is_main:
            checkpoints.point(self.run.checkpoints, progress.step, progress.best_step == progress.step)
        self._forget_after(progress.step)
        return Resumed(progress, found.path, tuple(str(problem) for problem in found.problems))

    def log_step(self, event: Stepped) -> None:
        """A line in metrics.jsonl, every `log_every` steps."""
        if event.step % self.log_every == 0 or event.step == event.steps:
            self._append(self.run.metrics, {"kind": "step", **asdict(event)})

    def log_evaluation(self, event: Evaluated) -> None:
        """A line in metrics.jsonl."""
        self._append(self.run.metrics, {"kind": "evaluation", **asdict(event)})

    def log_samples(self, event: Sampled) -> None:
        """A line in samples.jsonl for each text."""
        for sample in event.samples:
            self._append(self.run.samples, {"step": event.step, **sample})

    def _append(self, path: Path, values: dict[str, Any]) -> None:
        if self.world.is_main:
            storage.append_line(path, _line(values))

    def _forget_after(self, step: int) -> None:
        """Lines of steps that a killed run wrote after its last checkpoint would be written twice: dropped."""
        if not self.world.is_main:
            return
        for path in (self.run.metrics, self.run.samples):
            if path.exists():
                kept = [line for line in storage.read_jsonl(path) if line["step"] <= step]
                storage.write_text_atomically(path, "".join(_line(line) + "\n" for line in kept))


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
