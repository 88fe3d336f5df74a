"""The grammar reads what it writes, and nothing else."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.corpora.storyteller import numerals
from modou.corpora.storyteller.book import write_chapters
from modou.corpora.storyteller.events import event_rules
from modou.corpora.storyteller.grammar import parse_template, slots_of
from modou.corpora.storyteller.language import AMOUNTS, LanguageName, load_language
from modou.corpora.storyteller.world import Sentence

LANGUAGES: tuple[LanguageName, ...] = ("zh", "en")


def parses(sentence: str, language: LanguageName) -> bool:
    return load_language(language).parse(sentence) is not None


def told(language: LanguageName, seed: int, chapters: int) -> list[Sentence]:
    book = itertools.islice(write_chapters(language, seed), chapters)
    return [sentence for chapter in book for sentence in chapter.sentences]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_read_as_the_event_it_tells(language: LanguageName, seed: int) -> None:
    for sentence in told(language, seed, 6):
        event = load_language(language).parse(sentence.text)
        assert event is not None, sentence.text
        assert event.kind == sentence.event.kind, sentence.text
        named = {slot: value for slot, value in event.slots.items() if slot in sentence.event.slots}
        assert named == {slot: sentence.event.slots[slot] for slot in named}, sentence.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_garbled_sentences_are_refused(language: LanguageName) -> None:
    rng = random.Random(0)
    accepted = 0
    sentences = told(language, 4, 6)
    for sentence in sentences:
        pieces = list(sentence.text) if language == "zh" else sentence.text.split(" ")
        rng.shuffle(pieces)
        accepted += parses(("" if language == "zh" else " ").join(pieces), language)
        one = rng.randrange(1, len(sentence.text) - 1)
        assert not parses(sentence.text[:one], language)
        assert not parses(sentence.text + sentence.text, language)
    assert accepted <= len(sentences) // 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_another_languages_sentences_are_refused(language: LanguageName) -> None:
    other: LanguageName = "en" if language == "zh" else "zh"
    assert not any(parses(sentence.text, language) for sentence in told(other, 5, 2))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_event_can_be_told_in_several_ways(language: LanguageName) -> None:
    spoken = load_language(language)
    for kind, rule in event_rules().items():
        assert len(spoken.rules[kind]) >= 2, kind
        wanted = {slot for fact in rule.makes for slot in fact.slots}
        for told_by in spoken.rules[kind]:
            assert wanted <= slots_of(told_by.template), (kind, told_by)
            assert not spoken.grammar.missing(told_by.template), (kind, told_by)
    for kind in spoken.headings:
        assert kind in event_rules()


@pytest.mark.parametrize("language", LANGUAGES)
def test_slots_accept_any_name_of_the_pattern(language: LanguageName) -> None:
    spoken, rng = load_language(language), random.Random(1)
    for _ in range(200):
        for symbol in ("person", "place", "object", "nick", "weapon", "verse_road" if language == "zh" else "verse"):
            text = spoken.grammar.draw(symbol, rng)
            assert spoken.grammar.produces(symbol, text)
    assert not spoken.grammar.produces("person", "？？")


def test_the_template_syntax() -> None:
    template = parse_template("{a}<来|去<了|>>{q}。")
    assert slots_of(template) == {"a", "q"}
    for broken in ("{a", "<来|去", "来>", "{a b}"):
        with pytest.raises(ValueError):
            parse_template(broken)


@given(st.sampled_from(AMOUNTS), st.sampled_from(LANGUAGES))
def test_sums_are_read_back(amount: int, language: LanguageName) -> None:
    assert numerals.read(numerals.spell(amount, language), language) == amount


@given(st.integers(min_value=1, max_value=999))
def test_chapter_numbers_are_read_back(number: int) -> None:
    assert numerals.read(numerals.write_chinese(number), "zh") == number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (10, "十"), (11, "十一"), (100, "一百"), (105, "一百零五"), (110, "一百一十"), (999, "九百九十九"),
        (1000, "一千"), (1001, "一千零一"), (1010, "一千零一十"), (1100, "一千一百"), (9999, "九千九百九十九"),
        (10_000, "一万"), (10_001, "一万零一"), (12_010, "一万二千零一十"), (100_000, "十万"), (203_000, "二十万三千"),
    ],
)  # fmt: skip
def test_large_numbers_in_chinese(number: int, text: str) -> None:
    assert numerals.write_chinese(number) == text


def test_a_book_may_have_more_than_999_chapters() -> None:
    chapters = itertools.islice(write_chapters("zh", 1), 1002)
    assert "一千零二" in list(chapters)[-1].text
