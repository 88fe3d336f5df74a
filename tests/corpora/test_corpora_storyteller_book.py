"""The book: deterministic, big enough, varied enough, and cleaned as any raw book is."""

import itertools
import re
from collections import Counter

import pytest
from text_helpers import Cleaned, clean

from modou.corpora.storyteller.book import DEFAULT_BYTES, write_book, write_chapters
from modou.corpora.storyteller.language import LanguageName, load_language
from modou.evaluate.ngram import KneserNey
from modou.text.split import part_of

LANGUAGES: tuple[LanguageName, ...] = ("zh", "en")


@pytest.fixture(scope="module")
def chinese() -> list[str]:
    return list(write_book("zh"))


@pytest.fixture(scope="module")
def cleaned(chinese: list[str]) -> Cleaned:
    return clean("".join(chinese))


@pytest.mark.parametrize("language", LANGUAGES)
def test_same_seed_and_size_same_bytes(language: LanguageName) -> None:
    first = "".join(write_book(language, 120_000, seed=4))
    assert first == "".join(write_book(language, 120_000, seed=4))
    assert first != "".join(write_book(language, 120_000, seed=5))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_longer_book_begins_like_a_shorter_one(language: LanguageName) -> None:
    short = "".join(write_book(language, 50_000, seed=2))
    assert "".join(write_book(language, 120_000, seed=2)).startswith(short)
    assert len(short.encode("utf-8")) >= 50_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_chapter_is_a_heading_a_blank_line_and_paragraphs(language: LanguageName) -> None:
    for number, chapter in enumerate(itertools.islice(write_chapters(language, 6), 12), 1):
        heading, blank, *lines = chapter.text.rstrip("\n").split("\n")
        assert blank == "" and all(lines) and lines == chapter.paragraphs
        assert re.match(r"第[一二三四五六七八九十百]+回　" if language == "zh" else rf"CHAPTER {number}\. ", heading)


def test_headings_are_couplets_of_one_length(chinese: list[str]) -> None:
    halves = [text.split("\n", 1)[0].split("　")[1:] for text in chinese]
    assert all(len(pair) == 2 for pair in halves)
    assert sum(len(first) == len(second) for first, second in halves) >= 0.98 * len(halves)


def test_a_chapter_has_a_heading_even_if_all_its_heroes_names_begin_alike() -> None:
    *_, chapter = itertools.islice(write_chapters("en", 1_000_001_076), 13)
    assert re.fullmatch(r"CHAPTER 13\. Si\w+ .+; Si\w+ .+", chapter.heading)


@pytest.mark.parametrize("language", LANGUAGES)
def test_cleaning_finds_every_heading_and_every_sentence(language: LanguageName) -> None:
    chapters = list(itertools.islice(write_chapters(language, 9), 30))
    found = clean("".join(chapter.text for chapter in chapters))
    assert [chapter.heading for chapter in found.chapters] == [chapter.heading for chapter in chapters]
    for chapter, told in zip(found.chapters, chapters, strict=True):
        assert [s.strip() for s in chapter.sentences] == [s.text for s in told.sentences]


def test_a_default_book_is_two_megabytes_of_many_characters(chinese: list[str]) -> None:
    text = "".join(chinese)
    assert len(text.encode("utf-8")) >= max(DEFAULT_BYTES, 2_000_000)
    assert len(set(text)) >= 1500


def test_no_long_string_returns_in_many_chapters(cleaned: Cleaned) -> None:
    formulae: list[str] = load_language("zh").conventions["formulae"]
    chapters_with = Counter[str]()
    for chapter in cleaned.chapters:
        text = chapter.text
        chapters_with.update({text[i : i + 20] for i in range(len(text) - 19)})
    common = [s for s, n in chapters_with.items() if n > 0.02 * len(cleaned.chapters)]
    assert [s for s in common if not any(formula in s for formula in formulae)] == []


@pytest.mark.slow
def test_characters_are_hard_to_predict(cleaned: Cleaned) -> None:
    texts = {"train": list[str](), "validation": list[str](), "test": list[str]()}
    for index, chapter in enumerate(cleaned.chapters, 1):
        texts[part_of(index)].append(chapter.text)
    found = KneserNey.fit(texts["train"], 5).every_order(texts["test"])[5]
    assert found.bits / found.characters >= 2.0
