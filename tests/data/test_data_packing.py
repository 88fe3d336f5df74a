"""Conversations and documents in rows: each once an epoch, none seeing its neighbour, the same on all ranks."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from train_helpers import tokenizer

from modou.data.conversation import Encoded
from modou.data.packing import Documents, Packing, fill, pack
from modou.data.shards import IGNORE, PADDING, write_shards

ROOM = 16
lengths = st.lists(st.integers(2, ROOM + 1), min_size=1, max_size=12)


def encoded(number: int, length: int) -> Encoded:
    """A conversation whose ids tell it from every other."""
    return Encoded(
        tuple(number * 100 + place for place in range(length)), tuple(place % 3 > 0 for place in range(length))
    )


@given(st.lists(st.integers(1, ROOM), max_size=30))
def test_rows_hold_every_length_once_and_are_never_too_full(found: list[int]) -> None:
    falling = sorted(found, reverse=True)
    rows = pack(falling, ROOM)
    assert sorted(slot for row in rows for slot in row) == list(range(len(falling)))
    assert all(sum(falling[slot] for slot in row) <= ROOM for row in rows)
    # Two rows that would fit into one are never left: the packing is at most twice the least possible.
    assert len(rows) <= 2 * max(1, -(-sum(falling) // ROOM))


@given(lengths, st.booleans(), st.integers(1, 3), st.integers(0, 9))
@settings(max_examples=50)
def test_every_conversation_comes_once_an_epoch(found: list[int], packed: bool, world: int, seed: int) -> None:
    conversations = [encoded(number, length) for number, length in enumerate(found)]
    rows = Packing(conversations, ROOM, batch=1, packed=packed, seed=seed)
    epochs = 2
    seen = Counter(
        one.ids
        for step in range(epochs * rows.rows_per_epoch)
        for rank in range(world)
        for row in rows.rows(step, rank, world)
        for one in row
    )
    assert seen == {one.ids: epochs for one in conversations}


@given(lengths, st.integers(1, 5), st.integers(1, 3))
@settings(max_examples=50)
def test_ranks_share_the_batch_in_order(found: list[int], batch: int, world: int) -> None:
    conversations = [encoded(number, length) for number, length in enumerate(found)]
    rows = Packing(conversations, ROOM, batch, packed=True, seed=3)
    whole = rows.rows(7, 0, 1)
    assert [row for rank in range(world) for row in rows.rows(7, rank, world)] == whole


def test_a_row_filled() -> None:
    one, two = Encoded((1, 11, 12, 13), (False, False, True, True)), Encoded((1, 21, 22), (False, True, True))
    ids_RT, target_RT, start_RT = fill([[one, two], [two]])
    assert ids_RT.tolist() == [[1, 11, 12, 1, 21], [1, 21, PADDING, PADDING, PADDING]]
    assert target_RT.tolist() == [[IGNORE, 12, 13, 21, 22], [21, 22, IGNORE, IGNORE, IGNORE]]
    assert start_RT.tolist() == [[0, 0, 0, 3, 3], [0, 0, 2, 3, 4]]
    assert np.count_nonzero(target_RT != IGNORE) == sum(one.trained) + 2 * sum(two.trained)


@given(st.lists(st.text("春江花月夜", min_size=1, max_size=40), min_size=1, max_size=6), st.integers(1, 12))
@settings(max_examples=30)
def test_documents_come_whole_and_every_token_of_a_long_one_is_learned_once(texts: list[str], room: int) -> None:
    with TemporaryDirectory() as folder:
        documents = Documents(write_shards(texts, tokenizer(), Path(folder), workers=1), room)
        pieces = [documents[number].ids for number in range(len(documents))]
        assert all(2 <= len(piece) <= room + 1 for piece in pieces)
        joined: list[list[int]] = []
        for piece in pieces:
            if piece[0] == tokenizer().bos:
                joined.append(list(piece))
            else:
                assert piece[0] == joined[-1][-1]
                joined[-1] += piece[1:]
        assert joined == [[tokenizer().bos, *tokenizer().encode(text), tokenizer().eos] for text in texts]
        rows = Packing(documents, room, batch=1, packed=True, seed=1)
        epoch = [fill(rows.rows(step, 0, 1))[1] for step in range(rows.rows_per_epoch)]
        learned = sorted(int(token) for target_RT in epoch for token in target_RT[target_RT != IGNORE])
        assert learned == sorted(token for document in joined for token in document[1:])
