"""Pretraining: predict each next token of the text.

loss = - sum over positions of log p(token t+1 | tokens up to t)

Rows are stretches of one long text, which documents follow each other in; or (apart) whole documents, none of which
sees its neighbour: what a short one says at its end, its beginning is there to explain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modou.data.packing import Packing, text_rows
from modou.data.shards import IGNORE, Batches
from modou.evaluate.likelihood import bits_per_character
from modou.generate.engine import complete
from modou.model.gpt import GPT
from modou.settings.sampling import SamplingSettings
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.objective import StatelessObjective


@dataclass(frozen=True)
class TokenBatch:
    """Inputs and next tokens, (B, T) ids each; `count` targets carry loss. Where documents are kept apart, a position
    sees from its own `start` on."""

    ids_BT: Tensor
    target_BT: Tensor
    count: int
    start_BT: Tensor | None = None


@dataclass(frozen=True)
class Pretrain(StatelessObjective):
    """The objective of `modou pretrain`. See train.objective for the contract."""

    batches: Batches | Packing
    tokenizer: Tokenizer
    validation: Sequence[str]
    prompts: Sequence[str]
    sampling: SamplingSettings
    characters_per_token: float
    device: torch.device
    micro_batch: int = 0
    measure: str = "validation.bits_per_char"

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[TokenBatch]:
        """This process's rows of the step's batch, `micro_batch` at a time."""
        ids_BT, target_BT, start_BT = text_rows(self.batches, step, rank, world)
        missing = -(-self.batches.batch_rows // world) - len(ids_BT)
        if missing:  # rows without loss, so that every process makes the same number of passes
            below = ((0, missing), (0, 0))
            ids_BT = np.pad(ids_BT, below, constant_values=self.tokenizer.pad)
            target_BT = np.pad(target_BT, below, constant_values=IGNORE)
            start_BT = None if start_BT is None else np.pad(start_BT, below)
        size = self.micro_batch or len(ids_BT)
        batches: list[TokenBatch] = []
        for first in range(0, len(ids_BT), size):
            part = slice(first, first + size)
            ids, target = (torch.from_numpy(whole[part]).to(self.device) for whole in (ids_BT, target_BT))
            start = None if start_BT is None else torch.from_numpy(start_BT[part]).to(self.device)
            batches.append(TokenBatch(ids, target, int((target_BT[part] != IGNORE).sum()), start))
        return batches

    def loss(self, model: GPT, batch: TokenBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of nats over the batch's targets; the same in bits per character of training text."""
        nats = model.loss(batch.ids_BT, batch.target_BT, batch.start_BT)
        return nats, {"bits_per_char": nats.detach() / (math.log(2) * self.characters_per_token)}

    def evaluate(self, model: GPT) -> dict[str, Any]:
        """Bits per character on the validation excerpts."""
        return {"validation": {"bits_per_char": bits_per_character(model, self.tokenizer, self.validation).value}}

    def sample(self, model: GPT) -> Sequence[dict[str, Any]]:
        """A text for each prompt."""
        written = complete(model, self.tokenizer, self.prompts, self.sampling)
        return [
            {"prompt": prompt, "seed": self.sampling.seed, "text": text.text}
            for prompt, text in zip(self.prompts, written, strict=True)
        ]
