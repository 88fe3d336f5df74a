"""Batches of preference pairs, for the reward model and for DPO.

Consecutive pairs with the same chosen answer stay adjacent in every epoch's order, and a batch encodes each
conversation once (Ouyang et al. 2022, section 3.5).

Shapes: P pairs of a batch, B rows (at most 2P), T positions.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import numpy as np
import torch
from torch import Tensor

from modou.data.conversation import Encoded, Message, Template
from modou.data.order import epoch_order
from modou.data.shards import IGNORE, PADDING


@dataclass(frozen=True)
class Pair:
    """Two answers to one question, as whole conversations. `kind` groups pairs in evaluations."""

    chosen: Encoded
    rejected: Encoded
    kind: str = ""


@dataclass(frozen=True)
class PairBatch:
    """The distinct conversations of `count` pairs, padded on the right."""

    ids_BT: Tensor
    target_BT: Tensor
    """The next token if it belongs to the answer (including its end token), else -100."""
    last_B: Tensor
    """Position of each conversation's last token."""
    row_2P: Tensor
    """Row indices of the chosen answers, then of the rejected ones."""
    count: int


def encode_answer(template: Template, prompt: Sequence[Message], answer: str) -> Encoded:
    """A conversation with only its last answer in the loss mask."""
    asked = [Message(message.role, message.content, trained=False) for message in prompt]
    return template.encode([*asked, Message("assistant", answer)])


def encode_pair(template: Template, prompt: Sequence[Message], chosen: str, rejected: str, kind: str = "") -> Pair:
    """A pair with only the two answers in the loss masks."""
    better, worse = (encode_answer(template, prompt, answer) for answer in (chosen, rejected))
    return Pair(better, worse, kind)


def step_pairs(
    pairs: Sequence[Pair],
    step: int,
    batch: int,
    seed: int,
    rank: int,
    world: int,
    micro_batch: int,
    device: torch.device,
) -> list[PairBatch]:
    """The pairs of process `rank` in a step, as micro-batches sorted by length; every process has the same number."""
    first, last = (step * batch + batch * part // world for part in (rank, rank + 1))
    sizes = tuple(len(list(alike)) for _, alike in groupby(pairs, lambda pair: pair.chosen))
    mine = [pairs[pair_at(place, sizes, seed)] for place in range(first, last)]
    mine.sort(key=lambda pair: len(pair.chosen))
    share = -(-batch // world)
    size = micro_batch or share
    return [pair_batch(mine[start : start + size], device) for start in range(0, share, size)]


def pair_at(place: int, sizes: tuple[int, ...], seed: int) -> int:
    """Index of the pair at position `place` of the infinite sequence of epochs; groups of `sizes` stay together."""
    epoch, index = divmod(place, sum(sizes))
    return _epoch_order(sizes, epoch, seed)[index]


@functools.lru_cache(maxsize=4)
def _epoch_order(sizes: tuple[int, ...], epoch: int, seed: int) -> tuple[int, ...]:
    ends = tuple(accumulate(sizes))
    groups = epoch_order(len(sizes), epoch, seed)
    return tuple(pair for group in groups for pair in range(ends[group] - sizes[group], ends[group]))


def pair_batch(pairs: Sequence[Pair], device: torch.device) -> PairBatch:
    """Pairs as tensors on `device`; for no pairs, one row of padding."""
    nothing = Encoded((PADDING,), (False,))
    every = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs] or [nothing, nothing]
    rows = {conversation: row for row, conversation in enumerate(dict.fromkeys(every))}
    conversations = list(rows)
    shape = (len(conversations), max(len(conversation) for conversation in conversations))
    ids_BT, target_BT = np.full(shape, PADDING, np.int64), np.full(shape, IGNORE, np.int64)
    for row, conversation in enumerate(conversations):
        ids, trained = np.array(conversation.ids), np.array(conversation.trained)
        ids_BT[row, : len(ids)] = ids
        target_BT[row, : len(ids) - 1] = np.where(trained[1:], ids[1:], IGNORE)
    last_B = np.array([len(conversation) - 1 for conversation in conversations])
    row_2P = np.array([rows[conversation] for conversation in every])
    ids, target, last, row = (torch.from_numpy(array).to(device) for array in (ids_BT, target_BT, last_B, row_2P))
    return PairBatch(ids, target, last, row, len(pairs))
