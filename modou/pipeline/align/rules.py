"""The rules that can be asked of an answer; and their twins: what the commonest answer alone, or real poems, get."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from modou.evaluate.answers import share
from modou.tasks.poems import judge as judge_poem
from modou.tasks.poems import order_of
from modou.train.rollouts import Task


def rules_of(task: Task, text: str) -> dict[str, bool]:
    """The rules that can be asked of an answer, and whether it keeps them."""
    if "form" in task.facts:
        judged = judge_poem(text, order_of(task.facts))
        kept = {"form": judged.form, "rhyme": judged.rhymed, "no_repeat": not judged.repeated}
        return kept if judged.head is None else kept | {"head": judged.head}
    truth = truth_of(task)
    return {} if truth is None else {"exact": text.strip() == truth}


def truth_of(task: Task) -> str | None:
    """The true answer, where the rule is to give it; a poem's is only one of many."""
    return None if "form" in task.facts or "answer" not in task.facts else str(task.facts["answer"]).strip()


def shares(marks: Sequence[Mapping[str, bool]]) -> dict[str, Any]:
    """How often each rule is kept, of the answers that it can be asked of."""
    rules = dict.fromkeys(name for kept in marks for name in kept)
    return {name: share([kept[name] for kept in marks if name in kept]) for name in rules}


def real(asked: Sequence[Task]) -> dict[str, Any]:
    """What the poems that stand in the file keep of the rules themselves. Empty where there are none."""
    poems = [task for task in asked if "form" in task.facts and "answer" in task.facts]
    return shares([rules_of(task, str(task.facts["answer"])) for task in poems])


def majority(asked: Sequence[Task], every: Sequence[Task]) -> dict[str, Any]:
    """How many of the questions `asked` are answered right by always giving the most frequent answer to questions of
    the same kind (the facts' "kind") among `every`. Empty where no question has a true answer."""
    counts: dict[str, Counter[str]] = {}
    for task in every:
        truth = truth_of(task)
        if truth is not None:
            counts.setdefault(_kind(task), Counter())[truth] += 1
    marks = [
        counts[_kind(task)].most_common(1)[0][0] == truth for task in asked if (truth := truth_of(task)) is not None
    ]
    return {"exact": share(marks)} if marks else {}


def _kind(task: Task) -> str:
    return str(task.facts.get("kind", ""))
