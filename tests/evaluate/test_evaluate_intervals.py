import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.evaluate.intervals import blocks, difference_interval, ratio_interval, wilson_interval


def one_a_character(bits: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(bits, np.ones(len(bits), np.int64))]


def test_blocks_keep_every_bit_and_every_character() -> None:
    generator = np.random.default_rng(0)
    texts = [(generator.random(n), generator.integers(0, 4, n)) for n in (700, 3, 1, 5000)]
    parts = blocks(texts, 500)
    assert parts.bits.sum() == pytest.approx(sum(bits.sum() for bits, _ in texts))
    assert parts.characters.sum() == sum(characters.sum() for _, characters in texts)
    assert parts.characters[-2] == 500
    assert parts.characters.max() < 1000


def test_blocks_of_two_segmentations_correspond() -> None:
    as_characters = blocks([(np.full(1201, 1.0), np.append(np.ones(1200, np.int64), 0))])
    as_tokens = blocks([(np.full(401, 3.0), np.append(np.full(400, 3), 0))])
    assert as_characters.characters.tolist() == as_tokens.characters.tolist() == [500, 700]
    assert as_characters.bits.tolist() == [500.0, 701.0]
    # The token over the border (characters 498, 499, 500) belongs to the block of its first character.
    assert as_tokens.bits.tolist() == [167 * 3.0, 234 * 3.0]


def test_an_end_mark_opens_no_block_of_its_own() -> None:
    parts = blocks([(np.ones(1001), np.append(np.ones(1000, np.int64), 0))])
    assert parts.bits.tolist() == [500.0, 501.0]


def test_too_short_to_say() -> None:
    assert ratio_interval(blocks(one_a_character(np.ones(999)))) is None
    assert ratio_interval(blocks([])) is None
    assert difference_interval(blocks([]), blocks([])) is None
    assert wilson_interval(0, 0) is None


def test_intervals_are_seeded() -> None:
    parts = blocks(one_a_character(np.random.default_rng(1).exponential(5, 20_000)))
    assert ratio_interval(parts, 1) == ratio_interval(parts, 1) != ratio_interval(parts, 2)


def test_the_ratio_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        # Neighbouring characters share a common part, as in a text: blocks must be drawn, not characters.
        shared = np.repeat(generator.normal(0, 1, 200), 100)
        interval = ratio_interval(blocks(one_a_character(5 + shared + generator.normal(0, 3, 20_000))), trial)
        assert interval is not None
        covered += interval[0] <= 5 <= interval[1]
    assert 0.87 <= covered / 200 <= 0.99


def test_pairing_sees_a_small_difference_that_two_intervals_hide() -> None:
    generator = np.random.default_rng(3)
    difficulty = np.repeat(generator.normal(6, 2, 60), 500)
    first = blocks(one_a_character(difficulty + generator.normal(0, 0.5, 30_000)))
    second = blocks(one_a_character(difficulty + 0.05 + generator.normal(0, 0.5, 30_000)))
    alone, difference = ratio_interval(first), difference_interval(second, first)
    assert alone is not None
    assert difference is not None
    assert alone[1] - alone[0] > 0.5
    assert 0 < difference[0] < 0.05 < difference[1] < 0.1


def test_a_difference_needs_the_same_characters() -> None:
    with pytest.raises(AssertionError, match="same characters"):
        difference_interval(blocks(one_a_character(np.ones(1000))), blocks(one_a_character(np.ones(1001))))


def test_wilson_by_hand() -> None:
    # 8 of 10: textbook value of the score interval.
    low, high = wilson_interval(8, 10) or (0, 0)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=5e-5)


@given(trials=st.integers(1, 10_000), data=st.data())
def test_wilson_holds_the_rate_within_bounds(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    interval = wilson_interval(successes, trials)
    assert interval is not None
    assert 0 <= interval[0] <= successes / trials <= interval[1] <= 1
