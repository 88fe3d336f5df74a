"""Text without ends of sentences: it is cut by characters, and every part of the split gets some of it."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_helpers import clean

from modou.messages import UserError
from modou.text.corpus import prepare
from modou.text.cuts import cut_before
from modou.text.readers.book import TextBook
from modou.text.sentences import shorten, split_sentences
from modou.text.split import LEAST, PARTS, Part, Splitter

CHANCE = Random(5)


def drawn(letters: str, count: int) -> str:
    return "".join(CHANCE.choice(letters) for _ in range(count))


WITHOUT_STOPS = {
    "classical, one line": drawn("山川草木日月星雲風雨雪花鳥魚龍虎", 1100),
    "classical, lines": "\n".join(drawn("山川草木日月星雲風雨雪花鳥魚龍虎", 20) for _ in range(50)),
    "dna": drawn("acgt", 3000),
    "lower case": " ".join(drawn("abcdefghij", 5) for _ in range(600)),
    "words": "\n".join(drawn("abcdefghij", 6) for _ in range(500)),
    "thai": " ".join("แมวนอนบนหลังคา" for _ in range(70)),
    "emoji": "👩\u200d🌾🇫🇮👍🏽" * 60,
    "long": drawn("acgt", 60_000),
    "long classical": drawn("山川草木日月星雲風雨雪花鳥魚龍虎", 25_000),
}


@pytest.mark.parametrize("kind", WITHOUT_STOPS)
def test_every_part_gets_some(kind: str, tmp_path: Path) -> None:
    text = WITHOUT_STOPS[kind]
    corpus = prepare(TextBook("豆", lambda: iter((text,))), tmp_path)
    sizes = {part: corpus.characters(part) for part in PARTS}
    total = sum(sizes.values())
    assert 0.6 * total < sizes["train"] < 0.95 * total
    assert min(sizes.values()) > 0.02 * total
    written = (tmp_path / "cleaned.txt").read_text(encoding="utf-8")
    assert "".join(written.split()) == "".join(text.split())


def test_lines_without_stops_are_not_wrapped_prose() -> None:
    lines = WITHOUT_STOPS["classical, lines"].split("\n")
    assert clean("\n".join(lines)).text.split("\n") == lines
    prose = "。".join(drawn("山川草木日月星雲風雨雪花鳥魚龍虎", 27) for _ in range(40))
    wrapped = "\n".join(prose[at : at + 20] for at in range(0, len(prose), 20))
    assert clean(wrapped).text.replace("\n", "") == prose and clean(wrapped).report["unwrap"].count > 50


@pytest.mark.parametrize("cluster", ["👩\u200d🌾", "e\u0301\u0323", "🇫🇮", "👍🏽", "क्षि", "ก่ำ", "각", "葛\U000e0100"])
def test_no_cut_falls_within_a_grapheme_cluster(cluster: str) -> None:
    text = "x" + cluster * 30 + "x"
    for most in range(len(cluster) + 2, 20 * len(cluster)):
        if cluster != "🇫🇮":
            assert (cut_before(text, most - len(cluster), most) - 1) % len(cluster) == 0
    assert cut_before("a" + cluster + "b", 1, len(cluster)) == 1


@settings(max_examples=200, deadline=None)
@given(st.text("ab, 豆。\u0301\u200d👍🏽", max_size=300), st.integers(1, 60))
def test_nothing_is_lost_by_cutting(text: str, longest: int) -> None:
    pieces = shorten(text, longest)
    assert "".join(pieces) == text and max(map(len, pieces)) <= longest


def test_only_what_is_longer_than_a_tenth_is_cut() -> None:
    splitter = Splitter(1, 1000)
    assert splitter.pieces(1, "a" * 100, 750) == [("validation", "a" * 100)]
    assert splitter.pieces(1, "a" * 101, 750) == [("train", "a" * 50), ("validation", "a" * 51)]
    assert [len(piece) for _, piece in splitter.pieces(1, "a" * 797 + ", " + "b" * 201, 0)] == [799, 101, 100]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=60))
def test_no_part_is_empty_however_long_the_lines(lengths: list[int]) -> None:
    if sum(lengths) < LEAST:
        return
    splitter, start, parts = Splitter(1, sum(lengths)), 0, set[Part]()
    for length in lengths:
        line = ("ab, c" * length)[:length]
        pieces = splitter.pieces(1, line, start)
        assert "".join(piece for _, piece in pieces) == line and all(piece for _, piece in pieces)
        parts |= {part for part, _ in pieces}
        start += length
    assert parts == set(PARTS)


def test_a_long_line_is_cut_in_one_pass() -> None:
    text = "ab" * 500_000
    pieces = split_sentences(text)
    assert len(pieces) == 1000 and "".join(pieces) == text


def test_a_part_of_which_the_rules_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only"):
        prepare(TextBook("豆", lambda: iter(("\ue000" * 400,))), tmp_path)
