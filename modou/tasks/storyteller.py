"""Questions about the storyteller's world, open book: the passage is in the question, the answer is the world's own."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from modou.text.storyteller.language import LanguageName
from modou.text.storyteller.questions import questions

TEST_SEED = 1_000_000
"""Added to the seed of a test: no training question is about one of its worlds."""
ASKED = 200
"""Questions about a world before the next one."""


def rows(language: LanguageName, count: int, seed: int) -> Iterator[dict[str, Any]]:
    """`count` questions with their answers, as rows of data; a pure function of its arguments."""
    worlds = chain.from_iterable(islice(questions(language, seed * 1000 + number), ASKED) for number in range(count))
    for asked in islice(worlds, count):
        yield {
            "instruction": f"{asked.passage}\n{asked.question}",
            "output": asked.answer,
            "facts": {"answer": asked.answer, "kind": asked.kind},
        }
