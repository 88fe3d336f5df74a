"""Long matches, which repeated text is full of: hashes of stretches agree with comparison by characters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.evaluate.novelty import TrainText, inside_match
from modou.evaluate.stretches import Stretches, common_lengths
from modou.evaluate.suffixes import SuffixArray

sequences = st.lists(st.integers(0, 2), min_size=1, max_size=200).map(lambda some: np.array(some, np.int32))


def common(one: list[int], other: list[int]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


@given(sequences, sequences, st.sampled_from([1, 3, 64]), st.data())
@settings(deadline=None)
def test_common_lengths_are_those_of_a_plain_comparison(
    one: np.ndarray, other: np.ndarray, step: int, data: st.DataObject
) -> None:
    places = st.tuples(st.integers(0, len(one)), st.integers(0, len(other)))
    pairs = data.draw(st.lists(places, max_size=20))
    start, beginning = (np.array([pair[n] for pair in pairs], np.int64) for n in (0, 1))
    found = common_lengths(Stretches(one), start, Stretches(other), beginning, step)
    assert found.tolist() == [common(one[a:].tolist(), other[b:].tolist()) for a, b in pairs]


def test_equal_stretches_far_apart_have_one_hash() -> None:
    symbols = np.tile(np.arange(1, 8, dtype=np.int32), 30_000)
    found = Stretches(symbols).hashes(np.array([0, 7, 70_000, 140_000, 1]), np.full(5, 60_000))
    assert len(set(found[:4].tolist())) == 1 and found[4] != found[0]


@pytest.mark.parametrize(
    ("train", "query", "lengths"),
    [
        ("a" * 1000, "a" * 300, range(300, 0, -1)),
        ("a" * 200, "a" * 300, [200] * 101 + [*range(199, 0, -1)]),
        ("drip drop " * 300 + "!", "drip drop " * 90 + "?", [*range(900, 0, -1), 0]),
        ("水滴石穿，" * 200, "水滴石穿，" * 50 + "月" + "穿，" * 2, [*range(250, 0, -1), 0, 2, 1, 2, 1]),
    ],
)
def test_long_matches_are_exact(train: str, query: str, lengths: list[int]) -> None:
    assert SuffixArray([train]).match_lengths(query).tolist() == list(lengths)


def test_a_chapter_of_one_line_is_measured() -> None:
    line = "The gate was shut by the keeper.\n"
    memory = TrainText([line * 800, line * 700])
    assert memory.coverage_length([line * 600]) == 600 * len(line) + 1
    found = memory.novelty([line * 600], 30)
    assert found.copied.share == 1.0
    assert found.longest_copy is not None and found.longest_copy.length == 600 * len(line)


@given(st.lists(st.integers(0, 60), max_size=80))
def test_inside_match_is_the_longest_that_covers(asked: list[int]) -> None:
    lengths = np.array([min(length, len(asked) - place) for place, length in enumerate(asked)], np.int64)
    covering = [
        max((int(lengths[start]) for start in range(place + 1) if start + lengths[start] > place), default=0)
        for place in range(len(lengths))
    ]
    assert inside_match(lengths).tolist() == covering
