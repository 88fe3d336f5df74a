"""Preference pairs as batches, for the reward model and for DPO: the chosen answers above, the rejected ones below.

Shapes: P pairs of a batch, B = 2P rows, T positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from modou.model.loss import IGNORE
from modou.text.conversation import Encoded, Message, Template
from modou.text.tokenizer import Tokenizer
from modou.train.order import example_at


@dataclass(frozen=True)
class Pair:
    """Two answers to one question, the better one first. `kind` groups pairs in evaluations."""

    chosen: Encoded
    rejected: Encoded
    kind: str = ""


@dataclass(frozen=True)
class PairBatch:
    """Whole conversations, padded on the right. `count` pairs."""

    ids_BT: Tensor
    target_BT: Tensor
    """The next token where it belongs to the answer (its end mark included), else -100."""
    last_B: Tensor
    """The position of each conversation's last token, at which the whole of it has been read."""
    count: int


def encode_pair(template: Template, prompt: Sequence[Message], chosen: str, rejected: str, kind: str = "") -> Pair:
    """A pair whose only trained tokens are the two answers."""
    asked = [Message(message.role, message.content, trained=False) for message in prompt]
    better, worse = (template.encode([*asked, Message("assistant", answer)]) for answer in (chosen, rejected))
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
    """This process's pairs of a step's batch, `micro_batch` at a time; every process makes as many passes."""
    first, last = (step * batch + batch * part // world for part in (rank, rank + 1))
    mine = [pairs[example_at(place, len(pairs), seed)] for place in range(first, last)]
    share = -(-batch // world)
    size = micro_batch or share
    return [pair_batch(mine[start : start + size], device) for start in range(0, share, size)]


def pair_batch(pairs: Sequence[Pair], device: torch.device) -> PairBatch:
    """Pairs as tensors; none at all is two rows without loss."""
    nothing = Encoded((Tokenizer.pad,), (False,))
    conversations = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs] or [nothing, nothing]
    shape = (len(conversations), max(len(conversation) for conversation in conversations))
    ids_BT, target_BT = np.full(shape, Tokenizer.pad, np.int64), np.full(shape, IGNORE, np.int64)
    for row, conversation in enumerate(conversations):
        ids, trained = np.array(conversation.ids), np.array(conversation.trained)
        ids_BT[row, : len(ids)] = ids
        target_BT[row, : len(ids) - 1] = np.where(trained[1:], ids[1:], IGNORE)
    last_B = np.array([len(conversation) - 1 for conversation in conversations])
    ids, target, last = (torch.from_numpy(array).to(device) for array in (ids_BT, target_BT, last_B))
    return PairBatch(ids, target, last, len(pairs))
