import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.evaluate import suffixes
from modou.evaluate.suffixes import SuffixArray, sort_suffixes

pieces = st.text(alphabet="abc\n", max_size=30)


def longest_match(text: str, start: int, texts: list[str]) -> int:
    """By asking `in` for every length."""
    length = 0
    while start + length < len(text) and any(text[start : start + length + 1] in t for t in texts):
        length += 1
    return length


@given(symbols=st.lists(st.integers(1, 3), min_size=1, max_size=60))
def test_suffixes_are_sorted(symbols: list[int]) -> None:
    ordered = sort_suffixes(np.array(symbols, np.int32)).tolist()
    assert ordered == sorted(range(len(symbols)), key=lambda start: symbols[start:])


@pytest.mark.parametrize("count", [1, 2, 63, 64, 500])
def test_suffixes_of_one_repeated_symbol(count: int) -> None:
    assert sort_suffixes(np.ones(count, np.int32)).tolist() == list(range(count - 1, -1, -1))


def test_suffixes_of_a_large_alphabet() -> None:
    symbols = np.random.default_rng(0).integers(1, 70_000, 300).astype(np.int32)
    assert sort_suffixes(symbols).tolist() == sorted(range(300), key=lambda start: symbols[start:].tolist())


@given(texts=st.lists(pieces, min_size=1, max_size=4), query=st.text(alphabet="abcd\n", max_size=30))
@settings(deadline=None, max_examples=200)
def test_match_lengths_agree_with_in(texts: list[str], query: str) -> None:
    expected = [longest_match(query, start, texts) for start in range(len(query))]
    assert SuffixArray(texts).match_lengths(query).tolist() == expected


@given(text=st.text(alphabet="ab", min_size=20, max_size=80), data=st.data())
@settings(deadline=None)
def test_long_copies_are_found_whole(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    query = text[start:] + "c" + text
    expected = [longest_match(query, at, [text]) for at in range(len(query))]
    assert SuffixArray([text]).match_lengths(query).tolist() == expected


def test_a_match_does_not_run_into_the_next_text() -> None:
    assert SuffixArray(["春天", "来了"]).match_lengths("春天来了").tolist() == [2, 1, 2, 1]


def test_a_query_is_searched_in_parts_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    index, query = SuffixArray(["abcabdabe"]), "abdabcabxabe"
    whole = index.match_lengths(query).tolist()
    monkeypatch.setattr(suffixes, "QUERY_PLACES", 5)
    assert index.match_lengths(query).tolist() == whole


def test_empty_texts_and_queries() -> None:
    assert SuffixArray([""]).match_lengths("ab").tolist() == [0, 0]
    assert SuffixArray(["ab"]).match_lengths("").tolist() == []


def test_characters_beyond_the_basic_plane() -> None:
    assert SuffixArray(["甲𠀀乙"]).match_lengths("𠀀乙\ud800甲").tolist() == [2, 1, 0, 1]
