"""Preference pairs whose answers differ in one respect, which their kind names.

"damaged/...": a real poem and a damaged version; "endings/real": a real poem and one with sampled line ends;
"endings/own": a generated poem with rhyming ends and one with sampled line ends.
"""

import random
from collections.abc import Iterator, Sequence

from modou.data.examples import Question
from modou.tasks.base import Drafts, Row
from modou.tasks.poems.damage import damages
from modou.tasks.poems.endings import own_endings, rhymed
from modou.tasks.poems.settings import PoemSettings
from modou.tasks.poems.verse import lines_of, verse


def verse_pairs(drafts: Drafts, settings: PoemSettings, dice: random.Random) -> Iterator[Row]:
    """All pairs for the questions of `drafts`."""
    for question in drafts.asked:
        yield from _damaged(question, drafts.every, settings, dice)
    real = [(question, str(question.facts["answer"])) for question in drafts.asked]
    own = [(answer.question, answer.text) for answer in drafts.answers]
    better = rhymed(drafts.model, drafts.template, own, dice, settings)
    own = [(question, text) for (question, _), text in zip(own, better, strict=True)]
    for kind, verses, count in (("real", real, settings.endings), ("own", own, settings.own_endings)):
        made = own_endings(drafts.model, drafts.template, verses, count, dice, settings)
        for (question, text), some in zip(verses, made, strict=True):
            row = {"prompt": question.prompt, "chosen": text, "kind": f"endings/{kind}"}
            yield from (row | {"rejected": ended} for ended in some)


def _damaged(
    question: Question, questions: Sequence[Question], settings: PoemSettings, dice: random.Random
) -> Iterator[Row]:
    """The poem of one question and versions damaged with lines of another."""
    # Of the same form, so that line lengths do not reveal the damage.
    form = question.facts["form"]
    alike = next(one for one in iter(lambda: dice.choice(questions), None) if one.facts["form"] == form)
    true = str(question.facts["answer"])
    lines, other = tuple(lines_of(true)), tuple(lines_of(str(alike.facts["answer"])))
    for name, spoiled in damages(lines, other, settings.spoiled, "head" in question.facts, dice).items():
        yield {"prompt": question.prompt, "chosen": true, "rejected": verse(spoiled), "kind": f"damaged/{name}"}
