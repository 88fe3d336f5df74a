"""Writing Tang verse as a task.

base -- sft --+-- ppo     judge: a reward model, trained on pairs of real poems and samples of sft; its base is
"reader":
              |           the sft model trained further, which tells real poems from samples better than sft itself
              +-- dpo     the same pairs
              +-- grpo    judge: the rules of verse
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from modou.data.examples import Question
from modou.tasks.base import PAIRS, Drafts, Facts, Recipe, Row, Stage, Task
from modou.tasks.poems.credit import verse_credits
from modou.tasks.poems.files import poem_files
from modou.tasks.poems.pairs import verse_pairs
from modou.tasks.poems.settings import SETTINGS, PoemSettings
from modou.tasks.poems.verse import form_of, judge, lines_of, order_of, reward_of
from modou.train.rollouts import Answer, Credit

RECIPE = Recipe(
    file="poems",
    stages=(
        Stage("data", "task", data="test.jsonl"),
        Stage("base", "pretrain", data="poems.jsonl"),
        Stage("sft", "sft", after="base", data="train.jsonl"),
        Stage("pairs", "pairs", after="sft", data="judge.jsonl"),
        Stage("reader", "sft", after="sft", data="train.jsonl"),
        Stage("reward", "reward", after="reader", data=PAIRS, reference="sft"),
        Stage("ppo", "ppo", after="sft", data="train.jsonl", judge="reward", optional=True),
        Stage("dpo", "dpo", after="sft", data=PAIRS, optional=True),
        Stage("grpo", "grpo", after="sft", data="train.jsonl", judge="poems", optional=True),
        Stage("compare", "compare", after="sft", data="test.jsonl"),
    ),
)


@dataclass(frozen=True)
class Poems(Task):
    """Poems in one of four regular forms, on a title or as an acrostic."""

    name: str = "poems"
    settings: PoemSettings = SETTINGS
    recipe: Recipe = RECIPE

    def files(self, seed: int) -> Mapping[str, Sequence[Row]]:
        """See Task: poems for pretraining; orders with a poem for SFT, the reward model and the test."""
        made = poem_files(seed, self.settings)
        return {name: rows if name == "poems.jsonl" else self.tagged(rows) for name, rows in made.items()}

    def rules(self, question: Question, text: str) -> dict[str, bool]:
        """See Task: form, rhyme, no repeated line, and the acrostic if one was asked for."""
        if "form" not in question.facts:
            return {}
        judged = judge(text, order_of(question.facts))
        kept = {"form": judged.form, "rhyme": judged.rhymed, "no_repeat": not judged.repeated}
        return kept if judged.head is None else kept | {"head": judged.head}

    def truth(self, question: Question) -> str | None:
        """None: there are many right answers."""
        return None

    def score(self, text: str, facts: Facts) -> float:
        """The share of the rules that an answer satisfies. KeyError: no form."""
        return reward_of(text, order_of(facts))

    @property
    def credits(self) -> Callable[[str, Facts], Iterable[Credit]]:
        """See Task: each rule at the characters that satisfy or violate it."""
        return lambda text, facts: verse_credits(text, order_of(facts))

    def comparable(self, answer: Answer) -> bool:
        """Whether it is complete and has the form asked for."""
        form = answer.question.facts.get("form")
        return answer.ended and (form is None or form_of(lines_of(answer.text)) == form)

    def pairs(self, drafts: Drafts, dice: random.Random) -> Iterator[Row]:
        """See Task: real poems with damaged versions; real and generated ones with other line ends."""
        asked, every = ([one for one in some if "form" in one.facts] for some in (drafts.asked, drafts.every))
        answers = [answer for answer in drafts.answers if "form" in answer.question.facts]
        yield from verse_pairs(replace(drafts, asked=asked, every=every, answers=answers), self.settings, dice)
