"""Reading comprehension of the storyteller's texts as a task.

base -- sft ----- grpo    judge: exact match
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modou.corpora.named import STORYTELLERS
from modou.tasks.base import Recipe, Row, Stage, Task
from modou.tasks.storyteller.rows import PRACTICE_SEED, TEST_SEED, conversations, rows
from modou.tasks.storyteller.settings import SETTINGS, StorytellerSettings


@dataclass(frozen=True)
class Storyteller(Task):
    """A passage and a question about it, whose answer is a word of the passage or a number. name: that of the
    corpus."""

    settings: StorytellerSettings = SETTINGS

    def files(self, seed: int) -> Mapping[str, Sequence[Row]]:
        """See Task: train.jsonl with several questions about each passage; practice.jsonl (for GRPO) and test.jsonl
        with one each, from other worlds."""
        language, own = STORYTELLERS[self.name], self.settings
        return {
            "train.jsonl": self.tagged(conversations(language, own.train, seed, own)),
            "practice.jsonl": self.tagged(rows(language, own.practice, PRACTICE_SEED + seed, own)),
            "test.jsonl": self.tagged(rows(language, own.test, TEST_SEED + seed, own)),
        }


def storyteller(name: str) -> Storyteller:
    """The task of one of the storyteller's corpora."""
    stages = (
        Stage("data", "task", data="test.jsonl"),
        Stage("base", "pretrain", corpus=name),
        Stage("sft", "sft", after="base", data="train.jsonl"),
        Stage("grpo", "grpo", after="sft", data="practice.jsonl", judge="exact", optional=True),
        Stage("compare", "compare", after="sft", data="test.jsonl"),
    )
    return Storyteller(name=name, recipe=Recipe(file="storyteller", stages=stages))
