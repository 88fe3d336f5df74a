"""What is held out: a share of the items at random, and never one that equals a training item."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.data.examples import split


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.floats(0, 0.9), st.integers(0, 99), st.integers(1, 20))
def test_equal_items_are_on_one_side(keys: list[int], share: float, seed: int, most: int) -> None:
    seen, measured = split(keys, share, seed, most)
    assert (seen, measured) == split(keys, share, seed, most) and seen and measured
    if set(seen) & set(measured):
        assert not share or len(set(keys)) == 1
        assert seen == list(range(len(keys))) and measured == seen[:most]
    else:
        assert sorted(seen + measured) == list(range(len(keys)))
        assert not {keys[index] for index in seen} & {keys[index] for index in measured}
        wanted = min(most, max(1, round(share * len(keys))))
        assert len(measured) <= max(wanted, min(Counter(keys).values()))


@pytest.mark.parametrize(("copies", "share"), [(1, 0.05), (1, 0.5), (2, 0.05), (5, 0.1), (10, 0.2)])
def test_the_share_is_about_right(copies: int, share: float) -> None:
    keys = [number for number in range(300) for _ in range(copies)]
    _, measured = split(keys, share, seed=3)
    assert abs(len(measured) - min(500, share * len(keys))) < copies


def test_a_few_rows_that_weigh_much_leave_the_share_to_the_others() -> None:
    keys = [0] * 900 + list(range(1, 101))
    seen, measured = split(keys, 0.05, seed=1)
    assert len(measured) == 50 and min(measured) >= 900 and set(range(900)) <= set(seen)


def test_the_smallest_group_is_held_out_where_all_are_too_large() -> None:
    keys = [0] * 30 + [1] * 10 + [2] * 20
    assert split(keys, 0.05, seed=5)[1] == list(range(30, 40))


def test_two_thirds_of_two_items_leave_one_to_train_on() -> None:
    seen, measured = split(["a", "b"], 0.9, seed=0)
    assert len(seen) == len(measured) == 1 and seen != measured
