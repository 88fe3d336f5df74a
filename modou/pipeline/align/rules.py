"""The rules that can be asked of an answer; and their twins: what the commonest answer alone, or real poems, get."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from modou.data.examples import Question
from modou.evaluate.answers import share
from modou.tasks.poems.verse import judge as judge_poem
from modou.tasks.poems.verse import order_of


def rules_of(question: Question, text: str) -> dict[str, bool]:
    """The rules that can be asked of an answer, and whether it keeps them."""
    if "form" in question.facts:
        judged = judge_poem(text, order_of(question.facts))
        kept = {"form": judged.form, "rhyme": judged.rhymed, "no_repeat": not judged.repeated}
        return kept if judged.head is None else kept | {"head": judged.head}
    truth = truth_of(question)
    return {} if truth is None else {"exact": text.strip() == truth}


def truth_of(question: Question) -> str | None:
    """The true answer, where the rule is to give it; a poem's is only one of many."""
    return None if "form" in question.facts or "answer" not in question.facts else str(question.facts["answer"]).strip()


def shares(marks: Sequence[Mapping[str, bool]]) -> dict[str, Any]:
    """How often each rule is kept, of the answers that it can be asked of."""
    rules = dict.fromkeys(name for kept in marks for name in kept)
    return {name: share([kept[name] for kept in marks if name in kept]) for name in rules}


def real(asked: Sequence[Question]) -> dict[str, Any]:
    """What the poems that stand in the file keep of the rules themselves. Empty where there are none."""
    poems = [question for question in asked if "form" in question.facts and "answer" in question.facts]
    return shares([rules_of(question, str(question.facts["answer"])) for question in poems])


def majority(asked: Sequence[Question], every: Sequence[Question]) -> dict[str, Any]:
    """How many of the questions `asked` are answered right by always giving the most frequent answer to questions of
    the same kind (the facts' "kind") among `every`. Empty where no question has a true answer."""
    counts: dict[str, Counter[str]] = {}
    for question in every:
        truth = truth_of(question)
        if truth is not None:
            counts.setdefault(_kind(question), Counter())[truth] += 1
    marks = [
        counts[_kind(question)].most_common(1)[0][0] == truth
        for question in asked
        if (truth := truth_of(question)) is not None
    ]
    return {"exact": share(marks)} if marks else {}


def _kind(question: Question) -> str:
    return str(question.facts.get("kind", ""))
