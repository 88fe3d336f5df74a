"""`modou prefer`: two answers to a question, a person chooses, the choice is kept at once.

preferences.jsonl holds a row a choice: prompt, chosen, rejected, kind "human", and which run wrote them. `modou reward`
and `modou dpo` read it as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modou import storage
from modou.data.conversation import Template
from modou.data.examples import Question, read_questions
from modou.errors import UserError
from modou.methods.base import write_answers
from modou.runs.folder import RunFolder
from modou.runs.weights import answers, load_model
from modou.settings.sampling import SamplingSettings

TRIES = 4
"""Answers written to find two that differ."""


@dataclass(frozen=True)
class Offer:
    """A question, and two answers that differ."""

    question: Question
    first: str
    second: str
    number: int
    of: int


def offers(run: Path, data: Path, out: Path, columns: str, sampling: SamplingSettings) -> Iterator[Offer]:
    """Pairs of answers to the questions that `out` has no choice for yet. UserError: a base model, no questions."""
    folder = RunFolder(run)
    if not answers(folder):
        raise UserError("align.no_answers", path=run)
    model, tokenizer, _ = load_model(folder)
    template = Template(tokenizer)
    questions = read_questions(data, columns, template, model.settings.context).items
    done = {storage.json_line(row.get("prompt")) for row in storage.read_jsonl(out)} if out.exists() else set[str]()
    left = [question for question in questions if storage.json_line(prompt_of(question)) not in done]
    for number, question in enumerate(left, len(questions) - len(left) + 1):
        room = max(1, model.settings.context + 1 - len(question.ids))
        tries = sampling.changed(samples=TRIES, tokens=min(sampling.tokens, room))
        written = write_answers(model, template, [question.ids], tries)
        different = list(dict.fromkeys(text for text in written if text.strip()))
        if len(different) > 1:
            yield Offer(question, different[0], different[1], number, len(questions))


def prompt_of(question: Question) -> Any:
    """The question as a row keeps it: its text, or all turns where there are more."""
    turns = [{"role": message.role, "content": message.content} for message in question.messages]
    return question.text if len(turns) == 1 else turns


def keep(out: Path, offer: Offer, first_is_better: bool, run: Path) -> None:
    """Appends the choice."""
    better, worse = (offer.first, offer.second) if first_is_better else (offer.second, offer.first)
    row = {"prompt": prompt_of(offer.question), "chosen": better, "rejected": worse, "kind": "human", "run": str(run)}
    with storage.user_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    storage.append_line(out, storage.json_line(row))
