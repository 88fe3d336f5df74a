"""The training loop. It divides the loss of a step by the number of its units (tokens, pairs) in all micro-batches and
processes, so that the gradient does not depend on how the batch is divided.

Random numbers are keyed by (seed, step): an interrupted and resumed run gives bit-identical results.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from modou.messages import UserError, text
from modou.model.gpt import GPT
from modou.model.products import Precision, autocast, cpu_products
from modou.runs.progress import Progress
from modou.settings.train import Trained
from modou.storage import to_json
from modou.train.average import WeightAverage
from modou.train.events import Ended, Evaluated, Event, Notice, Rescheduled, Sampled, Started, Stepped
from modou.train.leap import Leap
from modou.train.objective import Objective
from modou.train.optim import clip_gradients, learning_rate_share, make_optimizers
from modou.train.parallel import World, replica, synchronise_gradients
from modou.train.saving import CheckpointWriter
from modou.train.ways import usable, use_way, way_of

SPARE = 0.01
"""Fraction of the time budget that may be left over, so that the number of steps is not changed at every evaluation."""
EARLY_SAMPLES = 8
"""The first samples come after evaluate_every / this many steps, before the first evaluation."""
EARLY = 0.1
"""Fraction of the time budget before which steps are not refitted: the first steps are slow."""


class Trainer:
    """Trains `model` (already parallelised over `world`) for `objective`; `writer` saves and finds checkpoints."""

    def __init__(
        self, model: GPT, objective: Objective, settings: Trained, writer: CheckpointWriter, world: World
    ) -> None:
        self.model, self.objective, self.settings, self.world = model, objective, settings, world
        self.writer = writer
        way = usable(way_of(settings), world.device)
        if world.any(way.precision == "float32"):  # one of several machines may lack the units of the others
            way = replace(way, precision="float32")
        use_way(model, way, world.device)
        self.precision: Precision = way.precision
        self.optimizers = make_optimizers(model, settings.optimizer, way.precision)
        self.average = WeightAverage(model, settings.train.average) if settings.train.average else None
        self.progress = Progress(planned=settings.train.steps, steps=settings.train.steps)
        self.leap = Leap()

    def run(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Trains to the last step, or until `should_stop` returns True; resumes from a checkpoint if there is one.

        When stopped, it saves a checkpoint before the last event. UserError: loss or gradient is not finite.
        """
        yield self._start()
        progress, every = self.progress, self.settings.train.evaluate_every
        reason = "finished"
        while progress.step < progress.steps:
            with cpu_products(self.precision if self.world.device.type == "cpu" else None):
                stepped = self._update()
            yield stepped
            loss = stepped.metrics["loss"]
            if (usual := self.leap.take(loss)) is not None:
                yield Notice(text("train.leapt", step=progress.step, usual=usual, loss=loss), "warning")
            if self._is_out_of_time():  # between evaluations, which refit the steps
                yield Rescheduled(progress.steps, progress.step)
                progress.steps = progress.step
            if progress.step % every == 0 or progress.step == progress.steps:
                yield from self._evaluate()
            elif progress.step == every // EARLY_SAMPLES:
                yield self._sample(averaged=False)
            if progress.step < progress.steps and self.world.any(should_stop()):
                reason = "interrupted"
                break
        if reason == "interrupted":
            self._save(is_best=False)
        yield Ended(progress.step, progress.seconds, reason)

    def _start(self) -> Started:
        found = self.writer.resume(self.model, self.optimizers, self.average, self.objective)
        if found is None:
            return Started(0, self.progress.steps)
        self.progress, problems = found
        if self.progress.planned != self.settings.train.steps:
            self.progress.planned = self.progress.steps = self.settings.train.steps
        return Started(self.progress.step, self.progress.steps, problems)

    def _update(self) -> Stepped:
        """One optimizer step: gradients of the whole batch, clipping, update."""
        began = time.perf_counter()
        step, progress = self.progress.step, self.progress
        self.model.train()
        with autocast(
            self.world.device, self.precision
        ):  # log-probabilities computed here must match those in the loss
            self.objective.prepare(self.model, step)
        batches = self.objective.micro_batches(step, self.world.rank, self.world.size)
        count = max(1.0, self.world.sum(sum(batch.count for batch in batches)))
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            synchronise_gradients(self.model, number == len(batches) - 1)
            self._seed(step, number)
            with autocast(self.world.device, self.precision):
                loss, extra = self.objective.loss(self.model, batch)
            (loss / count).backward()
            for name, value in {"loss": loss.detach(), **extra}.items():
                sums[name] = sums[name] + value if name in sums else value
        metrics = {name: self.world.sum(value.item()) / count for name, value in sums.items()}
        metrics["gradient_norm"] = self._clip(metrics["loss"])
        share = learning_rate_share(step, progress.steps, self.settings.schedule)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak_lr"] * share
            optimizer.step()
            optimizer.zero_grad()
        progress.step += 1
        if self.average is not None:
            self.average.update(progress.step)
        progress.tokens += int(count)
        seconds = self.world.maximum(time.perf_counter() - began)
        progress.seconds += seconds
        metrics["learning_rate"] = share
        event = Stepped(progress.step, progress.steps, progress.seconds, seconds, int(count), metrics)
        self.writer.log_step(event)
        return event

    def _seed(self, step: int, micro: int) -> None:
        """Makes dropout a function of (seed, step, micro-batch, rank)."""
        key = np.random.SeedSequence([self.settings.train.seed, step, micro, self.world.rank])
        torch.manual_seed(int(key.generate_state(1, np.uint64)[0] >> 1))

    def _clip(self, loss: float) -> float:
        """Clips the gradient's norm and returns the norm before. UserError: it, or the loss, is not finite."""
        norm = clip_gradients(list(self.model.parameters()), self.settings.optimizer.clip)
        if not math.isfinite(norm) or not math.isfinite(loss):
            raise UserError("train.diverged", step=self.progress.step + 1, tensor=self._first_nonfinite())
        return norm

    def _first_nonfinite(self) -> str:
        """Name of the first weight that is not finite, else of the first such gradient."""
        named = dict(self.model.named_parameters())
        gradients = {f"{name}.grad": p.grad for name, p in named.items() if p.grad is not None}
        for name, tensor in (named | gradients).items():
            if self.world.any(not bool(_local(tensor).isfinite().all())):
                return name
        return "loss"

    def _evaluate(self) -> Iterator[Event]:
        """Evaluates the weights and their average, samples, refits the steps to the time budget, and saves."""
        weights, (numbers, value) = "model", self._measure()
        if self.average is not None:
            with self.average.in_place():
                numbers["average"], averaged = self._measure()
            if averaged < value:
                weights, value = "average", averaged
        is_best = self.progress.note(value, weights)
        event = Evaluated(self.progress.step, self.progress.seconds, numbers, is_best)
        self.writer.log_evaluation(event)
        yield event
        yield self._sample(averaged=weights == "average")
        before = self.progress.steps
        self.progress.steps = self._steps_that_fit()
        if self.progress.steps != before:
            yield Rescheduled(before, self.progress.steps)
        self._save(is_best)

    def _measure(self) -> tuple[dict[str, Any], float]:
        """The objective's figures, and the one that selects the best checkpoint."""
        found = self.objective.evaluate(replica(self.model, self.world))
        return {"validation": to_json(found)}, float(getattr(found, self.objective.measure))

    def _sample(self, averaged: bool) -> Sampled:
        with self.average.in_place() if self.average is not None and averaged else nullcontext():
            sampled = Sampled(self.progress.step, tuple(self.objective.sample(replica(self.model, self.world))))
        self.writer.log_samples(sampled)
        return sampled

    def _steps_that_fit(self) -> int:
        """The planned steps, or as many as fit in the time budget at the pace so far."""
        progress, budget = self.progress, self.settings.train.minutes * 60
        if not budget or progress.seconds < EARLY * budget or progress.step == progress.steps:
            return progress.steps
        affordable = int(budget / progress.seconds * progress.step)
        if (1 - SPARE) * affordable <= progress.steps <= affordable:
            return progress.steps
        return max(progress.step, min(progress.planned, int((1 - SPARE / 2) * affordable)))

    def _save(self, is_best: bool) -> None:
        self.writer.save(self.model, self.optimizers, self.average, self.objective, self.progress, is_best)

    def _is_out_of_time(self) -> bool:
        budget = self.settings.train.minutes * 60
        return bool(budget) and self.progress.seconds >= budget and self.progress.step < self.progress.steps


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
