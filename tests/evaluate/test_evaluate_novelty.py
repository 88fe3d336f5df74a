from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.evaluate.novelty import Copied, TrainText, inside_match, novelty_curve
from modou.evaluate.subsample import Extent

pieces = st.lists(st.text(alphabet="abc", max_size=25), min_size=1, max_size=3)


@given(train=pieces, texts=pieces)
@settings(deadline=None, max_examples=100)
def test_the_curve_agrees_with_in(train: list[str], texts: list[str]) -> None:
    curve = TrainText(train).novelty(texts, 3).novel_share_by_n
    for n in range(1, 51):
        grams = [t[i : i + n] for t in texts for i in range(len(t) - n + 1)]
        if not grams:
            assert len(curve) == n - 1
            break
        absent = sum(not any(gram in t for t in train) for gram in grams)
        assert curve[n - 1] == pytest.approx(absent / len(grams))


@given(train=pieces, texts=pieces, least=st.integers(1, 6))
@settings(deadline=None, max_examples=100)
def test_coverage_agrees_with_in(train: list[str], texts: list[str], least: int) -> None:
    covered = 0
    for text in texts:
        inside: set[int] = set()
        for start in range(len(text) - least + 1):
            if any(text[start : start + least] in t for t in train):
                inside |= set(range(start, start + least))
        covered += len(inside)
    result = TrainText(train).novelty(texts, least)
    assert result.copied.share == pytest.approx(covered / max(1, result.characters))


@given(train=pieces, held_out=pieces)
@settings(deadline=None, max_examples=100)
def test_the_calibrated_length_is_the_least_that_spares_human_text(train: list[str], held_out: list[str]) -> None:
    index = TrainText(train)
    k = index.coverage_length(held_out)
    assert index.novelty(held_out, k).copied.share < 0.01
    assert k == 1 or index.novelty(held_out, k - 1).copied.share >= 0.01


def test_the_longest_copy_is_named_with_its_place() -> None:
    train = ["河边有一只船。", "他说：“桥上有灯。”", "夜里桥上有灯，没有人。"]
    longest = TrainText(train).novelty(["船在河里。", "我看见桥上有灯，走过去。"], 5).longest_copy
    assert longest is not None
    assert (longest.text, longest.length) == ("桥上有灯，", 5)
    assert (longest.chapter, longest.offset, longest.sample) == (2, 2, 1)


def test_nothing_in_common() -> None:
    result = TrainText(["甲乙"]).novelty(["丙丁", ""], 2)
    assert result.longest_copy is None
    assert result.novel_share_by_n == (1.0, 1.0)
    assert result.copied == Copied(share=0.0, at_least=2)
    assert result.train == Extent(used_bytes=6, total_bytes=6, whole=True)


def test_no_text_at_all_is_a_result_too() -> None:
    result = TrainText(["甲乙"]).novelty([], 2)
    assert (result.novel_share_by_n, result.copied.share, result.longest_copy) == ((), 0.0, None)
    assert TrainText(["甲乙"]).coverage_length([]) == 1


def test_inside_match_takes_the_longest_over_each_character() -> None:
    assert inside_match(np.array([2, 4, 3, 2, 1, 0])).tolist() == [2, 4, 4, 4, 4, 0]


def test_the_curve_ends_where_no_text_is_long_enough() -> None:
    assert novelty_curve([np.array([1, 0]), np.array([2, 1, 0])]) == (2 / 5, 2 / 3, 1.0)


def test_training_text_is_old_and_held_out_text_mostly_new(shuihu_path: Path) -> None:
    chapters = shuihu_path.read_text(encoding="utf-8-sig").split("\n")
    index = TrainText([c for i, c in enumerate(chapters, 1) if i % 20 != 10])
    held_out = [c for i, c in enumerate(chapters, 1) if i % 20 == 10]
    k = index.coverage_length(held_out)
    assert 10 < k < 40
    human = index.novelty(held_out, k)
    assert human.copied.share < 0.01
    assert human.novel_share_by_n[0] < 0.01
    assert human.novel_share_by_n[9] > 0.9
    copied = index.novelty([chapters[0][:2000]], k)
    assert copied.copied.share == 1
    assert copied.longest_copy is not None
    assert (copied.longest_copy.length, copied.longest_copy.chapter, copied.longest_copy.offset) == (2000, 0, 0)
