"""A regularizer against forgetting: KL(base || model) on the pretraining text, added to a method's loss.

    loss = the method's loss + weight * mean over the tokens of KL(base || model)

The KL to the base's predictions (distillation: Hinton et al. 2015) instead of cross-entropy on the text (PPO-ptx:
Ouyang et al. 2022): its gradient is exactly 0 as long as the model equals the base, so it adds no noise to a weak
signal.

Shapes: B rows, T positions, N positions that count, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modou.data.packing import Packing, text_rows
from modou.data.shards import IGNORE, PADDING, Batches
from modou.model.gpt import GPT
from modou.model.scoring import divergences
from modou.settings.methods import ReplaySettings
from modou.train.events import Sample
from modou.train.objective import Batch, Objective
from modou.train.parallel import World


@dataclass(frozen=True)
class TextBatch:
    """Rows of text. share: units of the method's loss / tokens of text in the step, over all processes."""

    ids_BT: Tensor
    counts_BT: Tensor
    """Whether a position has loss."""
    start_BT: Tensor | None
    """The first position of each position's document, with a document mask."""
    share: float
    count: int = 0


@dataclass(frozen=True)
class BaseKLRegularizer:
    """Wraps another objective. See train.objective for the contract."""

    own: Objective
    text: Batches | Packing
    base: GPT
    settings: ReplaySettings
    world: World

    @property
    def measure(self) -> str:
        return self.own.measure

    def prepare(self, model: GPT, step: int) -> None:
        self.own.prepare(model, step)

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[Batch]:
        """The method's micro-batches, and one of text."""
        batches = list(self.own.micro_batches(step, rank, world))
        units = self.world.sum(sum(batch.count for batch in batches))
        tokens = int((text_rows(self.text, step)[1] != IGNORE).sum())
        ids_BT, targets_BT, start_BT = text_rows(self.text, step, rank, world)
        if not len(ids_BT):  # every process must make the same number of passes
            ids_BT, targets_BT = np.full((1, 1), PADDING, np.int64), np.full((1, 1), IGNORE, np.int64)
            start_BT = None
        ids, counts = (torch.from_numpy(a).to(self.world.device) for a in (ids_BT, targets_BT != IGNORE))
        start = None if start_BT is None else torch.from_numpy(start_BT).to(self.world.device)
        return [*batches, TextBatch(ids, counts, start, units / max(1, tokens))]

    def loss(self, model: GPT, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The method's loss, or weight x KL; scaled so that both are sums over the method's units."""
        if not isinstance(batch, TextBatch):
            return self.own.loss(model, batch)
        with torch.no_grad():
            base_NV = self.base.logits(self.base.hidden(batch.ids_BT, None, batch.start_BT)[batch.counts_BT])
        logits_NV = model.logits(model.hidden(batch.ids_BT, None, batch.start_BT)[batch.counts_BT])
        kl = batch.share * divergences(base_NV, logits_NV).sum()
        return self.settings.weight * kl, {"replay_kl": kl.detach()}

    def evaluate(self, model: GPT) -> object:
        return self.own.evaluate(model)

    def sample(self, model: GPT) -> Sequence[Sample]:
        return self.own.sample(model)

    def state(self) -> dict[str, Any]:
        """The method's: the rows of text depend on the step alone."""
        return self.own.state()

    def tensors(self) -> dict[str, Tensor]:
        return self.own.tensors()

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        self.own.restore(state, tensors)
