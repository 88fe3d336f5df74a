"""The split, the prepared corpus on disk, and passages shared across the split."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_helpers import clean

from modou.messages import UserError
from modou.settings.text import CleanSettings
from modou.text import overlap
from modou.text.corpus import Corpus, prepare
from modou.text.overlap import find_overlap
from modou.text.readers.book import TextBook, read_book
from modou.text.split import PARTS, Splitter, part_of


def book(chapters: int, sentences: int, name: str = "豆书") -> TextBook:
    """An invented book: every sentence is unlike every other."""

    def text() -> str:
        return "".join(
            f"第{c}章 豆\n　　" + "".join(f"第{s}天，{c}号井里长出{s * c}根青藤！" for s in range(sentences)) + "\n"
            for c in range(1, chapters + 1)
        )

    return TextBook(name, lambda: iter((text(),)))


def test_chapters_follow_the_rule(tmp_path: Path) -> None:
    corpus = prepare(book(60, 40), tmp_path)
    assert corpus.summary.way == "chapters" and corpus.summary.chapters == 60
    assert [unit.part for unit in corpus.units] == [part_of(n) for n in range(1, 61)]
    assert list(corpus.lines("test"))[1].startswith("第0天，30号井")
    assert sum(map(len, corpus.lines("train"))) == corpus.characters("train")
    assert corpus.report.chapters == 60 and corpus.headings[9] == "第10章 豆"


def test_few_chapters_give_blocks(tmp_path: Path) -> None:
    corpus = prepare(book(3, 1200), tmp_path)
    assert corpus.summary.way == "blocks"
    total = sum(corpus.characters(part) for part in PARTS)
    for part in ("test", "validation"):
        assert 0.02 < corpus.characters(part) / total < 0.09
    assert "".join(text for unit_text in _in_order(corpus) for text in unit_text) == clean(book(3, 1200)).text.replace(
        "\n", ""
    )
    assert any("blocks" in item["key"] for item in corpus.report.notes)
    for text in corpus.texts("test"):
        assert text.endswith("！") and text.startswith("第")


def _in_order(corpus: Corpus) -> list[list[str]]:
    parts = {part: corpus.lines(part) for part in PARTS}
    return [[next(parts[unit.part])] for unit in corpus.units]


def test_a_short_text_gives_its_last_tenth(tmp_path: Path) -> None:
    corpus = prepare(book(2, 40), tmp_path)
    assert corpus.summary.way == "tail"
    total = sum(corpus.characters(part) for part in PARTS)
    assert 0.08 < corpus.characters("test") / total < 0.13
    assert corpus.units[-1].part == "test" and corpus.units[-2].part in ("test", "validation")
    assert any("tail" in item["key"] for item in corpus.report.notes)


def test_too_short(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only"):
        prepare(book(1, 3), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_text_without_stops_is_divided_within_its_line(tmp_path: Path) -> None:
    text = "".join(f"豆{n}" for n in range(300))
    corpus = prepare(TextBook("a", lambda: iter((text,))), tmp_path)
    assert "".join("".join(corpus.texts(part)) for part in PARTS) == text
    assert [unit.part for unit in corpus.units] == list(PARTS)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 200), st.lists(st.integers(1, 1000), min_size=30, max_size=300))
def test_every_sentence_has_a_part(chapters: int, lengths: list[int]) -> None:
    total = sum(lengths)
    if total < 300:
        return
    splitter = Splitter(chapters, total)
    parts, start = set(), 0
    for index, length in enumerate(lengths):
        parts.add(splitter.place(index * chapters // len(lengths) + 1, start, length))
        start += length
    if splitter.way == "blocks" and len(lengths) > 100:
        assert "train" in parts
    if splitter.way == "tail":
        assert "test" in parts


def test_held_out_chapters_keep_their_characters(tmp_path: Path) -> None:
    text = "".join(f"第{c}章\n" + f"他在{c}号井边说,好!\ue100豆{c}藤．" * 60 + "\n" for c in range(1, 51))
    corpus = prepare(TextBook("豆", lambda: iter((text,))), tmp_path)
    for part in ("test", "validation"):
        for line in corpus.lines(part):
            assert "," in line and "\ue100" in line and "．" in line
    assert not any(char in line for line in corpus.lines("train") for char in ",!\ue100．")
    rules = corpus.report.rules
    assert rules["private_use"].count == 45 * 60 and rules["private_use"].left_in_held_out == 5 * 60
    assert rules["private_use"].kinds == {"U+E100": 3000}


def test_duplicates_do_not_reach_the_test(tmp_path: Path) -> None:
    once = "".join(f"第{c}章\n" + f"第{c}口井里有豆子，阿青数了又数。" * 50 + "\n" for c in range(1, 46))
    corpus = prepare(TextBook("豆", lambda: iter((once, once))), tmp_path)
    assert corpus.summary.chapters == 45 and corpus.report.rules["duplicates"].count == 45


def test_english_units_read_as_sentences(tmp_path: Path) -> None:
    text = "".join(
        f"Chapter {c}\n\n" + f"The bean grew {c} feet. “Why?” she said. " * 60 + "\n\n" for c in range(1, 45)
    )
    corpus = prepare(TextBook("bean", lambda: iter((text,))), tmp_path)
    assert next(corpus.lines("test")).startswith("The bean grew 10 feet. “Why?” she said. The bean")
    assert next(corpus.texts("test")).startswith("The bean grew 10 feet.\n“Why?” she said.\nThe bean")


def test_prepared_again_it_is_the_same(tmp_path: Path) -> None:
    first, second = prepare(book(50, 30), tmp_path / "a"), prepare(book(50, 30), tmp_path / "b")
    assert first.summary.sha256 == second.summary.sha256
    assert first.summary.sha256 != prepare(book(50, 31), tmp_path / "c").summary.sha256
    third = prepare(read_book(tmp_path / "a" / "cleaned.txt"), tmp_path / "d")
    assert list(third.texts("test")) == list(first.texts("test"))


def test_a_folder_that_is_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no cleaned corpus"):
        Corpus(tmp_path)
    prepare(book(50, 30), tmp_path)
    (tmp_path / "cleaned.txt").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="no cleaned corpus"):
        Corpus(tmp_path)


def test_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write"):
        prepare(book(50, 30), tmp_path / "file" / "run")


def test_the_novel_on_disk(shuihu_path: Path, tmp_path: Path) -> None:
    corpus = prepare(read_book(shuihu_path), tmp_path)
    digest = "0e19363d1f5644f1be2d9ac0c7c73d69de91c53764639b6e468bd631d4d98142"
    assert corpus.summary.test_sha256 == digest
    assert hashlib.sha256("\n".join(corpus.lines("test")).encode()).hexdigest() == digest
    assert corpus.characters("test") == 41_257
    # The training part has lost 44 private-use characters and two spaces between sentences.
    assert corpus.characters("train") == 776_762 - 46
    assert json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))["summary"]["way"] == "chapters"
    found = find_overlap(corpus.lines("train"), corpus.lines("test"))
    assert found.passages and min(map(len, found.passages)) >= 30


def test_overlap_finds_what_was_planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "_PIECE", 500)
    shared = "青藤从井底一直长到云里面去，谁也数不清它到底开了多少朵小小的白花。"
    train = ["".join(chr(0x4E00 + (n * 7919) % 9000) for n in range(3000)) + shared + "豆" for _ in range(2)]
    test = ["无关的开头" + shared + "无关的结尾", "".join(chr(0x5000 + (n * 104729) % 9000) for n in range(500))]
    found = find_overlap(train, test)
    assert found.passages == (shared,)
    assert found.characters == len(shared)
    assert find_overlap(["短"], ["短"]).passages == ()


@settings(max_examples=100, deadline=None)
@given(st.text("豆藤", max_size=80), st.text("豆藤", max_size=80))
def test_overlap_agrees_with_the_plain_way(train: str, test: str) -> None:
    least = 8
    marked = {
        index
        for start in range(len(test) - least + 1)
        if test[start : start + least] in train
        for index in range(start, start + least)
    }
    assert find_overlap([train], [test], least).characters == len(marked)


def test_blocks_cover_both_held_out_parts_from_the_start() -> None:
    splitter = Splitter(1, 20_000)
    parts = [splitter.place(1, start, 40) for start in range(0, 20_000, 40)]
    assert {parts.count("test"), parts.count("validation")} == {25}


def test_repairs_can_be_switched_off(tmp_path: Path) -> None:
    text = "".join(f"第{c}章\n" + f"他在{c}号井边说,好!" * 60 + "\n" for c in range(1, 51))
    corpus = prepare(TextBook("豆", lambda: iter((text,))), tmp_path, CleanSettings(skip=("punctuation",)))
    assert "," in next(corpus.lines("train"))


ENDLESS = {
    "one letter": ("a" * 50_000, "a" * 5_000),
    "two letters": ("ab" * 25_000, "ba" * 2_500),
    "a phrase": ("The ferry came. " * 4_000, "The ferry came. " * 400),
    "dots in a list": (
        "".join(f"chapter {n}" + "." * 60 + f"{n * 7}\n" for n in range(2_000)),
        "".join(f"section {n}" + "." * 60 + f"{n * 11}\n" for n in range(300)),
    ),
    "runs of many lengths": (
        "".join("-" * (20 + n * 37 % 70) + "|" for n in range(1_500)),
        "".join("-" * (20 + n * 53 % 70) + "+" for n in range(400)),
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_overlap_of_repetitive_text_extends_each_window_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extended = 0
    match_after = overlap._match_after

    def counted(*place: Any) -> int:
        nonlocal extended
        extended += 1
        return match_after(*place)

    monkeypatch.setattr(overlap, "_match_after", counted)
    train, test = ENDLESS[kind]
    found = find_overlap([train], [test])
    marked = {
        at for start in range(len(test) - 29) if test[start : start + 30] in train for at in range(start, start + 30)
    }
    assert found.characters == len(marked) > 0.5 * len(test)
    assert extended <= len(test) / 10, "not a pair of places, not even each place"


def test_overlap_tells_the_longest_passage_whatever_came_before() -> None:
    passage = "".join(chr(0x4E00 + n) for n in range(90))
    train = [f"甲{passage[:45]}乙", f"丙{passage[45:]}丁", f"戊{passage}己"]
    found = find_overlap(train, [f"庚{passage}辛"])
    assert found.passages[0] == passage and found.characters == 90


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("豆藤", max_size=60), max_size=4), st.lists(st.text("豆藤", max_size=60), max_size=4))
def test_overlap_marks_what_the_plain_way_marks_in_every_text(train: list[str], tests: list[str]) -> None:
    least = 6
    marked = {
        (number, index)
        for number, test in enumerate(tests)
        for start in range(len(test) - least + 1)
        if any(test[start : start + least] in text for text in train)
        for index in range(start, start + least)
    }
    found = find_overlap(train, tests, least)
    assert found.characters == len(marked)
    assert all(any(passage in text for text in train) for passage in found.passages)
