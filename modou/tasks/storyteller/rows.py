"""Questions about the storyteller's world, open book: the passage is in the question, the answer is the world's own."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from modou.corpora.storyteller.language import LanguageName
from modou.corpora.storyteller.questions import Question, questions

PRACTICE_SEED, TEST_SEED = 1_000_000, 2_000_000
"""Added to the seed: no question of one file is about a world of another."""
ASKED = 200
"""Passages of a world before the next one."""
MOST = 8
"""Questions about a passage in one conversation: answers are three tokens long, the passage ninety."""


def conversations(language: LanguageName, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` passages, each with several questions and their answers, as rows of data; a pure function of its
    arguments."""
    for asked in _passages(language, count, seed, MOST):
        messages: list[dict[str, str]] = []
        for number, one in enumerate(asked):
            said = f"{one.passage}\n{one.question}" if number == 0 else one.question
            messages += [{"role": "user", "content": said}, {"role": "assistant", "content": one.answer}]
        yield {"messages": messages}


def rows(language: LanguageName, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` passages with a question each."""
    for (asked,) in _passages(language, count, seed, 1):
        yield {
            "instruction": f"{asked.passage}\n{asked.question}",
            "output": asked.answer,
            "facts": {"answer": asked.answer, "kind": asked.kind},
        }


def _passages(language: LanguageName, count: int, seed: int, most: int) -> Iterator[list[Question]]:
    worlds = (islice(questions(language, seed * 1000 + number, most), ASKED) for number in range(count))
    return islice(chain.from_iterable(worlds), count)
