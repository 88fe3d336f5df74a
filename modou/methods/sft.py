"""Supervised fine-tuning (SFT) on conversations: cross-entropy of the answers' tokens.

loss = - sum over the answers' tokens, their end marks included, of log p(token | conversation so far)
       - unlikelihood * sum over the earlier tokens of the answer other than the next one, of log(1 - p)
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou.data.conversation import Encoded, Message, Template
from modou.data.examples import Conversations, read_conversations, select, split, subsample_indices
from modou.data.packing import Packing, fill
from modou.data.shards import IGNORE
from modou.messages import UserError
from modou.methods.base import SHOWN, Alignment, answers
from modou.methods.planning import Plan, for_adapters
from modou.model.gpt import GPT, evaluation_mode
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_tokenizer, load_weights, make_model
from modou.settings.methods import SftRun
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.tokenizer.tokenizer import Tokenizer
from modou.train import policy
from modou.train.events import Event, Sample
from modou.train.objective import StatelessObjective
from modou.train.parallel import World, parallelize

ROWS_AT_ONCE = 32
ROW = 1024
"""Tokens of a packed row, unless a conversation has more: memory grows with its square, and the context of an imported
model may be many thousands."""


@dataclass(frozen=True)
class PackedBatch:
    """Packed conversations; `count` targets have loss. A position attends from `start`, where its conversation
    begins."""

    ids_BT: Tensor
    target_BT: Tensor
    start_BT: Tensor
    count: int


@dataclass(frozen=True)
class SftFigures:
    """Figures on held-out conversations (sft)."""

    loss: float
    """Cross-entropy of the answers, in nats per token."""


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
    measure: str = "loss"
    unlikelihood: float = 0.0

    def micro_batches(self, step: int, rank: int, world: int) -> Sequence[PackedBatch]:
        """This process's rows of the step's batch, in micro-batches."""
        rows = self.conversations.rows(step, rank, world)
        share = -(-self.conversations.batch_rows // world)
        size = self.micro_batch or share
        return [packed_batch(rows[first : first + size], self.device) for first in range(0, share, size)]

    def loss(self, model: GPT, batch: PackedBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss summed over the answers' tokens, in nats; and the unweighted unlikelihood term."""
        if not self.unlikelihood:
            return model.loss(batch.ids_BT, batch.target_BT, batch.start_BT), {}
        inside_BT = batch.target_BT != IGNORE
        logits_NV = model.logits(model.hidden(batch.ids_BT, start_BT=batch.start_BT)[inside_BT])
        log_NV = logits_NV.log_softmax(-1, dtype=torch.promote_types(logits_NV.dtype, torch.float32))
        earlier_NT = batch.target_BT.where(inside_BT, 0)[inside_BT.nonzero()[:, 0]]
        repeats_NT = policy.repeats(batch.target_BT, batch.start_BT, IGNORE)[inside_BT]
        repetition = policy.unlikelihood_loss(log_NV.gather(1, earlier_NT), repeats_NT)
        loss = -log_NV.gather(1, batch.target_BT[inside_BT][:, None]).sum()
        return loss + self.unlikelihood * repetition, {"repetition": repetition.detach()}

    @torch.inference_mode()
    def evaluate(self, model: GPT) -> SftFigures:
        """Cross-entropy of the held-out answers, in nats per token."""
        nats, tokens = 0.0, 0
        with evaluation_mode(model):
            for first in range(0, len(self.held_out), ROWS_AT_ONCE):
                batch = packed_batch([[c] for c in self.held_out[first : first + ROWS_AT_ONCE]], self.device)
                nats += model.loss(batch.ids_BT, batch.target_BT, batch.start_BT).item()
                tokens += batch.count
        return SftFigures(nats / max(1, tokens))

    def sample(self, model: GPT) -> Sequence[Sample]:
        """An answer to each of `prompts`."""
        return answers(model, self.template, self.prompts, self.sampling)


def packed_batch(rows: Sequence[Sequence[Encoded]], device: torch.device) -> PackedBatch:
    """Rows as tensors; no rows become one without loss: every process must make the same number of passes."""
    ids, target, start = (torch.from_numpy(array) for array in fill(rows if rows else [[]]))
    return PackedBatch(ids.to(device), target.to(device), start.to(device), int((target != IGNORE).sum()))


class SftMethod(Alignment[SftRun, Conversations]):
    """See the module's docstring. A tokenizer without the control tokens of a conversation gets them here."""

    def read(self, data: Path, columns: str) -> None:
        """See Alignment."""
        tokenizer, self.shape, added = with_control_tokens(self.base)
        self.data = read_conversations(data, columns, Template(tokenizer), self.shape.context)
        self.data.marks_added += added
        trained = {id for one in self.data.encoded for id, is_it in zip(one.ids, one.trained, strict=True) if is_it}
        self.template = Template(tokenizer.with_seen(trained))

    def plan(self, settings: SftRun) -> Generator[Event, None, tuple[SftRun, Plan | None]]:
        """See Method."""
        if settings.lora.rank:
            settings = for_adapters(settings, settings.optimizer.embedding_lr)
        return (yield from super().plan(settings))

    def steps(self, settings: SftRun) -> int:
        """Steps for `sft.epochs` passes over the conversations."""
        return max(1, math.ceil(settings.sft.epochs * self._packed(settings).rows_per_epoch / settings.train.batch))

    def split(self, settings: SftRun) -> tuple[list[int], list[int]]:
        """See Alignment."""
        return split(self.data.encoded, settings.sft.held_out, settings.train.seed)

    def network(self, settings: SftRun, world: World) -> GPT:
        """See Alignment; with low-rank adapters if `lora.rank` is set."""
        weights, _, _ = load_weights(self.base, extend=True)
        torch.manual_seed(settings.train.seed)
        model = make_model("sft", settings, self.shape)
        model.load_state_dict(weights.state_dict(), strict=not settings.lora.rank)
        precision = torch.bfloat16 if settings.train.precision == "bfloat16" else torch.float32
        return parallelize(model, world, precision)

    def objective(self, settings: SftRun, world: World, in_training: bool = True) -> Sft:
        """See Alignment."""
        _, held_out = self.split(settings)
        return Sft(
            conversations=self._packed(settings),
            held_out=select(self.data.encoded, subsample_indices(held_out) if in_training else held_out),
            prompts=[messages[:-1] for messages in select(self.data.messages, held_out[:SHOWN])],
            template=self.template,
            sampling=settings.sampling.changed(samples=1),
            device=world.device,
            micro_batch=settings.train.micro_batch,
            unlikelihood=settings.sft.unlikelihood,
        )

    def _packed(self, settings: SftRun) -> Packing:
        encoded = select(self.data.encoded, self.split(settings)[0])
        room = min(self.shape.context, max(ROW, *(len(one) for one in encoded)))
        return Packing(encoded, room, settings.train.batch, settings.sft.packed, settings.train.seed)


def with_control_tokens(base: RunFolder) -> tuple[Tokenizer, ModelSettings, list[str]]:
    """A base's tokenizer and shape, both with the control tokens of a conversation; and which of these were added.

    UserError: no usable tokenizer, or not this model's.
    """
    own = load_tokenizer(base)
    shape = Record[Any].read(base).model
    if own.vocabulary != shape.vocabulary:
        raise UserError("generate.vocabularies_differ", model=shape.vocabulary, tokenizer=own.vocabulary)
    tokenizer = own.extended()
    return tokenizer, shape.changed(vocabulary=tokenizer.vocabulary), list(own.lacking)


METHOD = SftMethod
