"""`modou prefer`: shows two sampled answers to a question; a person's choice is appended to a preference file at once.

One line per choice: prompt, chosen, rejected, kind "human", run. `modou reward`, `dpo` and `kto` read the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modou import storage
from modou.data.examples import Question, read_questions
from modou.generate.session import Session
from modou.messages import UserError
from modou.settings.sampling import SamplingSettings

TRIES = 4
"""Answers sampled per question to find two that differ."""


@dataclass(frozen=True)
class Offer:
    """Question `number` of `of`, with two different answers."""

    question: Question
    first: str
    second: str
    number: int
    of: int


def offers(run: Path, data: Path, out: Path, columns: str, sampling: SamplingSettings) -> Iterator[Offer]:
    """Two answers to each question for which `out` holds no choice yet. UserError: a base model, no questions, greedy
    decoding."""
    if not sampling.temperature:
        raise UserError("generate.none_to_choose")
    session = Session.load(run)
    if session.template is None:
        raise UserError("align.no_answers", path=run)
    context = session.model.settings.context
    done = {storage.json_text(row.get("prompt")) for row in _chosen(out)}
    questions = read_questions(data, columns, session.template, context).items
    left = [question for question in questions if storage.json_text(question.prompt) not in done]
    for number, question in enumerate(left, len(questions) - len(left) + 1):
        room = max(1, context + 1 - len(question.ids))
        written = session.texts(question.ids, sampling.changed(samples=TRIES, tokens=min(sampling.tokens, room)))
        different = list(dict.fromkeys(text for text in written if text.strip()))
        if len(different) > 1:
            yield Offer(question, different[0], different[1], number, len(questions))


def _chosen(out: Path) -> list[dict[str, Any]]:
    """The rows that are there already. UserError: a file of something else, which nothing may be appended to."""
    storage.require_log(out)
    rows = storage.read_jsonl(out)
    if not all(isinstance(row, dict) for row in rows):
        raise UserError("storage.not_a_log", path=out)
    return rows


def keep(out: Path, offer: Offer, first_is_better: bool, run: Path) -> None:
    """Appends the choice to `out`. UserError: cannot write."""
    better, worse = (offer.first, offer.second) if first_is_better else (offer.second, offer.first)
    row = {"prompt": offer.question.prompt, "chosen": better, "rejected": worse, "kind": "human", "run": str(run)}
    with storage.user_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    storage.append_line(out, storage.json_line(row))
