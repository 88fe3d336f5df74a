"""Pack several conversations (or whole documents) into one row of a batch; attention stays within each.

Shapes: R rows, T positions, D documents, P pieces of documents, C conversations.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modou.data.conversation import Encoded
from modou.data.shards import IGNORE, PADDING, Batches, Shards

Ints = NDArray[np.int64]


class Documents:
    """Documents from bos to eos, all tokens in the loss mask. A document with more than `room` targets is cut into
    pieces that overlap by one token."""

    def __init__(self, shards: Shards, room: int) -> None:
        self._shards, self._room = shards, room
        pieces_D = -(-(shards.lengths_D - 1) // room)
        self._document_P = np.repeat(np.arange(shards.documents), pieces_D)
        self._place_P = np.arange(len(self._document_P)) - np.repeat(np.cumsum(pieces_D) - pieces_D, pieces_D)

    def __len__(self) -> int:
        return len(self._document_P)

    def __getitem__(self, number: int, /) -> Encoded:
        document = self._document_P[number]
        first = int(self._shards.starts_D[document])
        start = first + int(self._place_P[number]) * self._room
        stop = min(start + self._room + 1, first + int(self._shards.lengths_D[document]))
        ids: list[int] = self._shards.read(start, stop).tolist()
        return Encoded(tuple(ids), (True,) * len(ids))


class Packing:
    """Batches of conversations as a pure function of (seed, step): every conversation once per epoch.

    Bin packing depends on the lengths alone, so every epoch has the same number of rows. Each epoch shuffles
    conversations of equal length among the bins, and the rows.
    """

    def __init__(
        self, conversations: Sequence[Encoded] | Documents, room: int, batch: int, packed: bool, seed: int
    ) -> None:
        """`room`: maximum targets per row and per conversation. `batch`: rows per step over all processes.
        `packed` False: one conversation per row."""
        self.conversations, self.room, self.batch_rows, self.seed = conversations, room, batch, seed
        lengths = [len(conversations[number]) - 1 for number in range(len(conversations))]
        assert lengths and all(1 <= length <= room for length in lengths)
        # Slots in order of decreasing length: an epoch fills them with its conversations in that order.
        self._bins = pack(sorted(lengths, reverse=True), room) if packed else [[index] for index in range(len(lengths))]
        self._lengths_C = np.array(lengths)
        self._epochs: dict[int, tuple[Ints, Ints]] = {}

    @property
    def rows_per_epoch(self) -> int:
        """Number of rows per epoch."""
        return len(self._bins)

    def rows(self, step: int, rank: int, world: int) -> list[list[Encoded]]:
        """The conversations of each row of process `rank` of `world` in a step."""
        first, last = (step * self.batch_rows + self.batch_rows * part // world for part in (rank, rank + 1))
        return [self._row(number) for number in range(first, last)]

    def _row(self, number: int) -> list[Encoded]:
        epoch, index = divmod(number, self.rows_per_epoch)
        by_length, order = self._epoch(epoch)
        return [self.conversations[int(by_length[slot])] for slot in self._bins[int(order[index])]]

    def _epoch(self, number: int) -> tuple[Ints, Ints]:
        if number not in self._epochs:
            key = np.array([self.seed % (1 << 64), number], np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key))
            shuffled = generator.permutation(len(self._lengths_C))
            by_length = shuffled[np.argsort(-self._lengths_C[shuffled], kind="stable")]
            self._epochs = {key: epoch for key, epoch in self._epochs.items() if abs(key - number) == 1}
            self._epochs[number] = (by_length, generator.permutation(self.rows_per_epoch))
        return self._epochs[number]


def make_batches(shards: Shards, context: int, rows: int, seed: int, document_mask: bool) -> Batches | Packing:
    """Batches of pretraining text: chunks of the concatenated documents, or (`document_mask`) packed documents."""
    if document_mask:
        return Packing(Documents(shards, context), context, rows, packed=True, seed=seed)
    return Batches(shards, context, rows, seed)


def text_rows(text: Batches | Packing, step: int, rank: int = 0, world: int = 1) -> tuple[Ints, Ints, Ints | None]:
    """Inputs and targets of process `rank` of `world`, and document starts where documents are packed, each (R, T)."""
    if isinstance(text, Packing):
        return fill(text.rows(step, rank, world))
    return *text.rows(step, rank, world), None


def pack(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Best-fit decreasing bin packing: indices of `lengths` (sorted, decreasing) per row, each row at most `room`."""
    rows: list[list[int]] = []
    by_room: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        assert length <= room
        left = next((left for left in range(length, room + 1) if by_room.get(left)), None)
        if left is None:
            row, left = len(rows), room
            rows.append([])
        else:
            row = by_room[left].pop()
        rows[row].append(index)
        by_room.setdefault(left - length, []).append(row)
    return rows


def fill(rows: Sequence[Sequence[Encoded]]) -> tuple[Ints, Ints, Ints]:
    """Inputs, targets (-100 outside the loss mask) and the start of each position's conversation, padded to the longest
    row. The last token of a conversation is not an input and the first not a target: none predicts the next one."""
    width = max((sum(len(c) - 1 for c in row) for row in rows), default=1)
    shape = (len(rows), width)
    ids_RT, target_RT = np.full(shape, PADDING, np.int64), np.full(shape, IGNORE, np.int64)
    start_RT = np.tile(np.arange(width), (len(rows), 1))  # a padding position attends to itself alone
    for r, row in enumerate(rows):
        at = 0
        for conversation in row:
            ids, trained = np.array(conversation.ids), np.array(conversation.trained)
            end = at + len(ids) - 1
            ids_RT[r, at:end] = ids[:-1]
            target_RT[r, at:end] = np.where(trained[1:], ids[1:], IGNORE)
            start_RT[r, at:end] = at
            at = end
    return ids_RT, target_RT, start_RT
