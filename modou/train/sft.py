"""Supervised fine-tuning: predict each next token of the answers, given everything before it.

loss = - sum over the answers' tokens, their end marks included, of log p(token | conversation so far)
       - unlikelihood * sum over the tokens that the answer has had before, but the one that comes, of log(1 - p)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modou.data.conversation import Encoded, Message, Template
from modou.data.packing import Packing, fill
from modou.data.shards import IGNORE
from modou.generate.engine import complete
from modou.model.gpt import GPT
from modou.settings.sampling import SamplingSettings
from modou.train import policy
from modou.train.objective import StatelessObjective

ROWS_AT_ONCE = 32


@dataclass(frozen=True)
class PackedBatch:
    """Rows of conversations; `count` targets carry loss. A position sees from its own `start` on."""

    ids_BT: Tensor
    target_BT: Tensor
    start_BT: Tensor
    count: int


@dataclass(frozen=True)
class Sft(StatelessObjective):
    """The objective of `modou sft`. See train.objective for the contract."""

    conversations: Packing
    held_out: Sequence[Encoded]
    prompts: Sequence[Sequence[Message]]
    template: Template
    sampling: SamplingSettings
    device: torch.device
    micro_batch: int = 0
    measure: str = "validation.loss"
    unlikelihood: float = 0.0

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[PackedBatch]:
        """This process's rows of the step's batch, `micro_batch` at a time."""
        rows = self.conversations.rows(step, rank, world)
        share = -(-self.conversations.batch_rows // world)
        size = self.micro_batch or share
        return [packed_batch(rows[first : first + size], self.device) for first in range(0, share, size)]

    def loss(self, model: GPT, batch: PackedBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum over the answers' tokens; of it the share of repetition, unweighted."""
        if not self.unlikelihood:
            return model.loss(batch.ids_BT, batch.target_BT, batch.start_BT), {}
        inside_BT = batch.target_BT != IGNORE
        logits_NV = model.logits(model.hidden(batch.ids_BT, start_BT=batch.start_BT)[inside_BT])
        log_NV = logits_NV.log_softmax(-1, dtype=torch.promote_types(logits_NV.dtype, torch.float32))
        had_NT = batch.target_BT.where(inside_BT, 0)[inside_BT.nonzero()[:, 0]]
        repeats_NT = policy.repeats(batch.target_BT, batch.start_BT, IGNORE)[inside_BT]
        repetition = policy.unlikelihood_loss(log_NV.gather(1, had_NT), repeats_NT)
        loss = -log_NV.gather(1, batch.target_BT[inside_BT][:, None]).sum()
        return loss + self.unlikelihood * repetition, {"repetition": repetition.detach()}

    @torch.inference_mode()
    def evaluate(self, model: GPT) -> dict[str, Any]:
        """Nats a token of held-out answers."""
        was_training = model.training
        model.eval()
        nats, tokens = 0.0, 0
        for first in range(0, len(self.held_out), ROWS_AT_ONCE):
            batch = packed_batch([[c] for c in self.held_out[first : first + ROWS_AT_ONCE]], self.device)
            nats += model.loss(batch.ids_BT, batch.target_BT, batch.start_BT).item()
            tokens += batch.count
        model.train(was_training)
        return {"validation": {"loss": nats / max(1, tokens)}}

    def sample(self, model: GPT) -> Sequence[dict[str, Any]]:
        """An answer to each question."""
        return answers(model, self.template, self.prompts, self.sampling)


def answers(
    model: GPT, template: Template, questions: Sequence[Sequence[Message]], sampling: SamplingSettings
) -> list[dict[str, Any]]:
    """What the model answers to each question."""
    ids = [template.prompt(messages) for messages in questions]
    written = write_answers(model, template, ids, sampling.changed(samples=1))
    return [
        {"prompt": messages[-1].content, "seed": sampling.seed, "text": text}
        for messages, text in zip(questions, written, strict=True)
    ]


def write_answers(
    model: GPT, template: Template, questions: Sequence[Sequence[int]], sampling: SamplingSettings
) -> list[str]:
    """`sampling.samples` answers to each question, question by question."""
    written = complete(model, template.tokenizer, questions, sampling, ends=template.ends)
    return [template.answer(made.ids) for made in written]


def packed_batch(rows: Sequence[Sequence[Encoded]], device: torch.device) -> PackedBatch:
    """Rows as tensors; none at all becomes one row without loss, since every process makes as many passes."""
    whole = fill(rows if rows else [[]])
    ids, target, start = (
        torch.from_numpy(array).to(device) for array in (whole.ids_RT, whole.target_RT, whole.start_RT)
    )
    return PackedBatch(ids, target, start, int(np.count_nonzero(whole.target_RT != IGNORE)))
