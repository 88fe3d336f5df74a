import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.evaluate.variety import distinct, ends_in_loop, human_slices, quote_balance, variety


def test_distinct_counts_over_all_pieces_and_never_across_them() -> None:
    assert distinct(["abab", "abc"], 1) == 3 / 7
    assert distinct(["abab", "abc"], 2) == 3 / 5


@pytest.mark.parametrize(
    ("piece", "loops"),
    [
        ("起初好好的，后来好好好", True),
        ("起初好好的，后来好好", False),
        ("他走了又来，走了又来，走了又来，", True),
        ("走了又来，走了又来，走了又来，。", False),
        ("甲" + "".join(map(chr, range(100, 150))) * 3, True),
        ("".join(map(chr, range(100, 151))) * 3, False),
        ("", False),
    ],
)
def test_a_loop_is_a_short_cycle_at_the_end_three_times(piece: str, loops: bool) -> None:
    assert ends_in_loop(piece) is loops


@pytest.mark.parametrize(
    ("pieces", "balance"),
    [
        (["他说：“好。”", "《某书》"], 1.0),
        (["“好", "好”"], 0.0),
        (["“甲”乙”"], 2 / 3),
        (["“甲“乙”"], 2 / 3),
        (["“甲‘乙’丙”"], 1.0),
        (["没有引号"], None),
    ],
)
def test_quote_balance(pieces: list[str], balance: float | None) -> None:
    assert quote_balance(pieces) == balance


def test_pieces_are_of_equal_length() -> None:
    result = variety(["abcdefgh", "aaaa", "abcd"])
    assert result is not None
    assert (result.pieces, result.length) == (3, 4)
    assert result.distinct["1"] == 4 / 12
    assert result.seq_rep_4 == 0
    assert result.loop_rate.share == 1 / 3
    longer = variety(["abcdefgh", "aaaaaaaa", "abcd"], 8)
    assert longer is not None
    assert (longer.pieces, longer.seq_rep_4) == (2, (1 - 1 / 5) / 2)
    assert longer.loop_rate.share == 0.5


def test_nothing_to_measure() -> None:
    assert variety([]) is None
    assert variety(["abc", "abcdef"]) is None
    assert variety(["abcdef"], 7) is None


@given(texts=st.lists(st.text(max_size=40), max_size=4), length=st.integers(1, 9), count=st.integers(0, 9))
def test_human_slices(texts: list[str], length: int, count: int) -> None:
    slices = human_slices(texts, length, count, seed=1)
    assert len(slices) == min(count, sum(len(text) // length for text in texts))
    assert all(len(piece) == length and any(piece in text for text in texts) for piece in slices)
    assert slices == human_slices(texts, length, count, seed=1)
