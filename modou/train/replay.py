"""What was learned first is held while something new is learned: beside each step's batch, rows of the base's text.

    loss = the method's own + weight * mean over the tokens of KL(base || model)

On that text the model is held to the base's whole prediction, not to the token that came next (distillation: Hinton et
al. 2015): where nothing was forgotten the gradient is exactly 0, so a method whose own signal is faint is not disturbed
by another's noise. Mixing in the text itself is PPO-ptx (Ouyang et al. 2022).

Shapes: B rows, T positions, N positions that count, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modou.data.packing import Packing, text_rows
from modou.data.shards import IGNORE, Batches
from modou.model.gpt import GPT
from modou.model.scoring import divergences
from modou.settings.methods import ReplaySettings
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.objective import Batch, Objective
from modou.train.parallel import World


@dataclass(frozen=True)
class TextBatch:
    """Rows of text. `share`: units of the method's loss, in all processes, for each token of the step's text."""

    ids_BT: Tensor
    counts_BT: Tensor
    """Whether a position's prediction counts."""
    start_BT: Tensor | None
    """Where the document of each position begins, if documents are kept apart."""
    share: float
    count: int = 0


@dataclass(frozen=True)
class BaseKLRegularizer:
    """Another objective, and the base's text beside it. See train.objective for the contract."""

    own: Objective
    text: Batches | Packing
    base: GPT
    settings: ReplaySettings
    world: World

    @property
    def measure(self) -> str:
        """The method's."""
        return self.own.measure

    def prepare(self, model: GPT, step: int) -> None:
        """As the method does."""
        self.own.prepare(model, step)

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[Batch]:
        """The method's, and one of text."""
        batches = list(self.own.micro_batches(step, rank, world))
        units = self.world.sum(sum(batch.count for batch in batches))
        tokens = int((text_rows(self.text, step)[1] != IGNORE).sum())
        ids_BT, targets_BT, start_BT = text_rows(self.text, step, rank, world)
        if not len(ids_BT):  # every process makes as many passes
            ids_BT, targets_BT = np.full((1, 1), Tokenizer.pad, np.int64), np.full((1, 1), IGNORE, np.int64)
            start_BT = None
        ids, counts = (torch.from_numpy(a).to(self.world.device) for a in (ids_BT, targets_BT != IGNORE))
        start = None if start_BT is None else torch.from_numpy(start_BT).to(self.world.device)
        return [*batches, TextBatch(ids, counts, start, units / max(1, tokens))]

    def loss(self, model: GPT, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The method's, or the distance from the base; both as sums over the method's units."""
        if not isinstance(batch, TextBatch):
            return self.own.loss(model, batch)
        with torch.no_grad():
            base_NV = self.base.logits(self.base.hidden(batch.ids_BT, None, batch.start_BT)[batch.counts_BT])
        logits_NV = model.logits(model.hidden(batch.ids_BT, None, batch.start_BT)[batch.counts_BT])
        distance = batch.share * divergences(base_NV, logits_NV).sum()
        return self.settings.weight * distance, {"replay_kl": distance.detach()}

    def evaluate(self, model: GPT) -> dict[str, Any]:
        """As the method does."""
        return self.own.evaluate(model)

    def sample(self, model: GPT) -> Sequence[dict[str, Any]]:
        """As the method does."""
        return self.own.sample(model)

    def state(self) -> dict[str, Any]:
        """The method's: which text is read hangs on the step alone."""
        return self.own.state()

    def tensors(self) -> dict[str, Tensor]:
        """The method's."""
        return self.own.tensors()

    def restore(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """As the method does."""
        self.own.restore(state, tensors)
