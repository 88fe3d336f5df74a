"""Rows of the data files: questions with their passage, and answers."""

from collections.abc import Iterator
from itertools import chain, islice

from modou.corpora.storyteller.language import LanguageName
from modou.corpora.storyteller.questions import WorldQuestion, questions
from modou.tasks.base import Row
from modou.tasks.storyteller.settings import SETTINGS, StorytellerSettings

PRACTICE_SEED, TEST_SEED = 1_000_000, 2_000_000
"""Added to the seed, so that the files have different worlds."""


def conversations(
    language: LanguageName, count: int, seed: int, settings: StorytellerSettings = SETTINGS
) -> Iterator[Row]:
    """Conversations about `count` passages, with several questions each; a pure function of the arguments."""
    for asked in _passages(language, count, seed, settings.passages, settings.questions):
        messages: list[dict[str, str]] = []
        for number, one in enumerate(asked):
            said = f"{one.passage}\n{one.question}" if number == 0 else one.question
            messages += [{"role": "user", "content": said}, {"role": "assistant", "content": one.answer}]
        yield {"messages": messages}


def rows(language: LanguageName, count: int, seed: int, settings: StorytellerSettings = SETTINGS) -> Iterator[Row]:
    """Questions about `count` passages, one each."""
    for (asked,) in _passages(language, count, seed, settings.passages, 1):
        yield {
            "instruction": f"{asked.passage}\n{asked.question}",
            "output": asked.answer,
            "facts": {"answer": asked.answer, "kind": asked.kind},
        }


def _passages(
    language: LanguageName, count: int, seed: int, of_a_world: int, most: int
) -> Iterator[list[WorldQuestion]]:
    worlds = (islice(questions(language, seed * 1000 + number, most), of_a_world) for number in range(count))
    return islice(chain.from_iterable(worlds), count)
