"""Token files (shards), memory-mapped, and the training batches made from them.

Axes: B rows of a batch, T positions of a row (the context), D documents, N all tokens.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modou.data.shard_writing import MANIFEST, SHARD_CHARACTERS, Manifest, Shard, token_type, write_files
from modou.messages import UserError
from modou.storage import parse_form, read_json, user_errors
from modou.tokenizer.tokenizer import Tokenizer

Ints = NDArray[np.int64]

IGNORE = -100
"""A target that the loss ignores."""
PADDING = 0
"""The id that fills a row. No position that counts attends to it, and its target is ignored, so any id that every
vocabulary has will do."""
BLOCK = 1 << 24
"""Tokens per step of `unseen`, to bound memory."""


def write_shards(
    documents: Iterable[str],
    tokenizer: Tokenizer,
    folder: Path,
    workers: int | None = None,
    shard_characters: int = SHARD_CHARACTERS,
) -> "Shards":
    """Write each non-empty document as [bos] text [eos] to token files in `folder`, and open them.

    Large corpora are encoded by `workers` processes (default: one per core, at most 8), in memory bounded by the
    longest document and a few shards. After an interruption, finished shards of the same text and tokenizer are
    kept. The manifest is written last and marks the folder complete.
    UserError: no text, disk full, no permission.
    """
    write_files(documents, tokenizer, folder, workers, shard_characters)
    return Shards(folder)


class Shards:
    """The memory-mapped shards of a folder as one sequence of documents."""

    def __init__(self, folder: Path, tokenizer: Tokenizer | None = None) -> None:
        """UserError: no shards, incomplete, damaged, or written with another tokenizer."""
        self.folder = folder
        if not (folder / MANIFEST).is_file():
            raise UserError("tokens.shards_missing", path=folder)
        try:
            manifest = parse_form(Manifest, read_json(folder / MANIFEST))
        except UserError:
            raise
        except ValueError:
            raise UserError("tokens.shards_damaged", path=folder / MANIFEST, reason="JSON") from None
        self.vocabulary = manifest.vocabulary
        self.tokenizer_sha256 = manifest.tokenizer
        self._shards = manifest.shards
        self.documents = sum(shard.documents for shard in self._shards)
        if tokenizer is not None and tokenizer.sha256 != self.tokenizer_sha256:
            raise UserError("tokens.shards_other", path=folder)
        self._token_type = token_type(self.vocabulary)
        self._first: Ints = np.concatenate([[0], np.cumsum([shard.tokens for shard in self._shards], dtype=np.int64)])
        self.tokens = int(self._first[-1])
        """N, bos and eos included."""
        lengths = [self._open(shard, "lengths", np.dtype("<i8"), shard.documents) for shard in self._shards]
        self.lengths_D: Ints = np.concatenate(lengths).astype(np.int64)
        """Tokens of each document, bos and eos included."""
        if int(self.lengths_D.min(initial=2)) < 2 or int(self.lengths_D.sum()) != self.tokens:  # bos and eos at least
            raise UserError("tokens.shards_damaged", path=folder, reason="lengths")
        self.starts_D: Ints = np.cumsum(self.lengths_D) - self.lengths_D
        """Position of each document's bos in the sequence."""
        self._maps = [self._open(shard, "tokens", self._token_type, shard.tokens) for shard in self._shards]

    def _open(self, shard: Shard, kind: str, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        path = self.folder / f"{shard.name}.{kind}"
        with user_errors(path):
            size = path.stat().st_size
            if size != count * dtype.itemsize:
                reason = f"{size} ≠ {count * dtype.itemsize} bytes"
                raise UserError("tokens.shards_damaged", path=path, reason=reason)
            # As a plain array: np.memmap itself is slow to index.
            return np.asarray(np.memmap(path, dtype, mode="r", shape=(count,)))

    def unseen(self) -> list[int]:
        """The ids of the vocabulary that do not occur in the shards."""
        is_seen = np.zeros(self.vocabulary, dtype=bool)
        for tokens in self._maps:
            for start in range(0, len(tokens), BLOCK):
                is_seen[tokens[start : start + BLOCK]] = True
        return np.flatnonzero(~is_seen).tolist()

    def read(self, start: int, stop: int) -> Ints:
        """Tokens start … stop - 1 of the sequence, across files."""
        assert 0 <= start <= stop <= self.tokens
        parts: list[NDArray[Any]] = []
        shard = int(np.searchsorted(self._first, start, side="right")) - 1
        while start < stop:
            end = min(stop, int(self._first[shard + 1]))
            parts.append(self._maps[shard][start - self._first[shard] : end - self._first[shard]])
            start, shard = end, shard + 1
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)

    def gather(self, positions: Ints) -> Ints:
        """The tokens at `positions` (any shape) of the sequence."""
        if len(self._maps) == 1:
            return self._maps[0][positions].astype(np.int64)
        shards = np.searchsorted(self._first, positions, side="right") - 1
        tokens = np.empty(positions.shape, np.int64)
        for shard in np.unique(shards):
            here = shards == shard
            tokens[here] = self._maps[shard][positions[here] - self._first[shard]]
        return tokens


@dataclass(frozen=True)
class _Epoch:
    """The order of an epoch: documents, their ends in the concatenation, position of the first chunk, chunks."""

    order_D: Ints
    ends_D: Ints
    offset: int
    chunks: NDArray[np.int64]


class Batches:
    """Batches as a pure function of (seed, step); the state of the data is the step.

    Every epoch shuffles the documents and concatenates them into a circular sequence of N tokens. From a random
    offset it is cut into chunks of T targets, the last one padded; the chunks are shuffled. So every token is a
    target exactly once per epoch, with the token before it as input, except bos: it always follows eos and is
    never a target. A batch may span two epochs.
    """

    def __init__(self, shards: Shards, context: int, rows: int, seed: int) -> None:
        """`context`: T. `rows`: B of the global batch, over all processes. UserError: N ≤ T."""
        assert context > 0 and rows > 0
        if shards.tokens <= context:
            raise UserError("tokens.too_short", tokens=shards.tokens, context=context, most=shards.tokens - 1)
        self.shards = shards
        self.context = context
        self.batch_rows = rows
        self.seed = seed
        self.chunks_per_epoch = -(-shards.tokens // context)
        self._epochs: dict[int, _Epoch] = {}

    def rows(self, step: int, rank: int = 0, world: int = 1) -> tuple[Ints, Ints]:
        """Return (inputs_BT, targets_BT) of step `step` (from 0): the rows of process `rank` of `world`, which
        concatenated over ranks are the batch. Ignored targets are -100."""
        assert 0 <= rank < world
        row, last = (step * self.batch_rows + self.batch_rows * part // world for part in (rank, rank + 1))
        parts: list[tuple[Ints, Ints]] = []
        while row < last:
            epoch, chunk = divmod(row, self.chunks_per_epoch)
            count = min(last - row, self.chunks_per_epoch - chunk)
            order = self._epoch(epoch)
            parts.append(self._chunks(order, order.chunks[chunk : chunk + count]))
            row += count
        if not parts:
            return np.zeros((0, self.context), np.int64), np.zeros((0, self.context), np.int64)
        return np.concatenate([inputs for inputs, _ in parts]), np.concatenate([targets for _, targets in parts])

    def _chunks(self, epoch: _Epoch, chunks: Ints) -> tuple[Ints, Ints]:
        total = self.shards.tokens
        places = chunks[:, None] * self.context + np.arange(-1, self.context)
        padding_BT = places[:, 1:] >= total
        positions = (places + epoch.offset) % total
        number = np.searchsorted(epoch.ends_D, positions, side="right")
        document = epoch.order_D[number]
        back = epoch.ends_D[number] - positions
        ends = self.shards.starts_D[document] + self.shards.lengths_D[document]
        tokens = self.shards.gather(ends - back)
        inputs_BT, targets_BT = tokens[:, :-1].copy(), tokens[:, 1:].copy()
        inputs_BT[padding_BT] = PADDING
        begins_BT = (back == self.shards.lengths_D[document])[:, 1:]  # by its place: bos and eos may be the same id
        targets_BT[padding_BT | begins_BT] = IGNORE
        return inputs_BT, targets_BT

    def _epoch(self, number: int) -> _Epoch:
        if number not in self._epochs:
            key = np.array([self.seed % (1 << 64), number], np.uint64)
            generator = np.random.Generator(np.random.Philox(key=key))
            order_D = generator.permutation(self.shards.documents)
            ends_D = np.cumsum(self.shards.lengths_D[order_D])
            offset = int(generator.integers(self.shards.tokens))
            chunks = generator.permutation(self.chunks_per_epoch)
            # A batch may span two epochs.
            self._epochs = {key: epoch for key, epoch in self._epochs.items() if abs(key - number) == 1}
            self._epochs[number] = _Epoch(order_D, ends_D, offset, chunks)
        return self._epochs[number]
