"""From a file of examples to what training reads, and what is said of the file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from modou.data.conversation import Encoded, Message, Template
from modou.data.formats.columns import Columns
from modou.data.formats.reading import read_examples
from modou.data.pairs import Pair, encode_answer, encode_pair
from modou.errors import UserError
from modou.messages import text

LISTED = 20
"""Complaints that are kept."""
MOST_HELD_OUT = 500
QUICK = 100
"""Of these, about so many are measured at an evaluation in training."""


@dataclass
class Conversations:
    """The conversations of a file that fit the context, and what is wrong with the other rows."""

    messages: list[tuple[Message, ...]] = field(default_factory=list[tuple[Message, ...]])
    encoded: list[Encoded] = field(default_factory=list[Encoded])
    complaints: list[str] = field(default_factory=list[str])

    def facts(self) -> dict[str, Any]:
        """Counts for people and programs."""
        return {
            "conversations": len(self.encoded),
            "bad": len(self.complaints),
            "complaints": self.complaints[:LISTED],
            "tokens": sum(len(one) for one in self.encoded),
            "trained_tokens": sum(sum(one.trained) for one in self.encoded),
        }


def read_conversations(path: Path, columns: str, template: Template, context: int) -> Conversations:
    """Every conversation of a file. A row of another kind, or one longer than the context, is a complaint.

    UserError: none is left.
    """
    examples = read_examples(path, Columns(columns))
    found = Conversations(complaints=examples.complaints)
    for placed in examples.placed:
        if placed.example.kind != "conversation":
            found.complaints.append(f"{placed.place}: {text('align.not_conversation', kind=placed.example.kind)}")
            continue
        encoded = template.encode(placed.example.messages)
        if len(encoded) > context + 1:
            found.complaints.append(f"{placed.place}: {text('align.too_long', tokens=len(encoded), context=context)}")
            continue
        found.messages.append(placed.example.messages)
        found.encoded.append(encoded)
    if not found.encoded:
        raise UserError("align.no_conversation", path=path, complaint="; ".join(found.complaints[:1]))
    return found


@dataclass
class Preferences:
    """The pairs of a file that fit the context, and what is wrong with the other rows."""

    questions: list[tuple[Message, ...]] = field(default_factory=list[tuple[Message, ...]])
    pairs: list[Pair] = field(default_factory=list[Pair])
    complaints: list[str] = field(default_factory=list[str])

    def facts(self) -> dict[str, Any]:
        """Counts for people and programs."""
        return {
            "pairs": len(self.pairs),
            "bad": len(self.complaints),
            "complaints": self.complaints[:LISTED],
            "kinds": dict(Counter(pair.kind for pair in self.pairs if pair.kind)),
        }


def read_preferences(path: Path, columns: str, template: Template, context: int) -> Preferences:
    """Every preference pair of a file. A row of another kind, or one longer than the context, is a complaint.

    UserError: none is left.
    """
    examples = read_examples(path, Columns(columns))
    found = Preferences(complaints=examples.complaints)
    known: dict[Encoded, Encoded] = {}  # an answer that is preferred to several others is held once
    for placed in examples.placed:
        example = placed.example
        if example.kind != "preference":
            found.complaints.append(f"{placed.place}: {text('align.not_preference', kind=example.kind)}")
            continue
        pair = encode_pair(template, example.messages, example.chosen, example.rejected, example.group)
        longest = max(len(pair.chosen), len(pair.rejected))
        if longest > context:
            found.complaints.append(f"{placed.place}: {text('align.too_long', tokens=longest, context=context)}")
            continue
        found.questions.append(example.messages)
        found.pairs.append(replace(pair, chosen=known.setdefault(pair.chosen, pair.chosen)))
    if not found.pairs:
        raise UserError("align.no_preference", path=path, complaint="; ".join(found.complaints[:1]))
    return found


@dataclass(frozen=True)
class Judged:
    """A conversation whose trained tokens are its last answer, and whether that is a desirable one."""

    encoded: Encoded
    desirable: bool


@dataclass
class Judgements:
    """The judged answers of a file that fit the context, each with its question; and what is wrong with other rows."""

    questions: list[tuple[Message, ...]] = field(default_factory=list[tuple[Message, ...]])
    answers: list[Judged] = field(default_factory=list[Judged])
    complaints: list[str] = field(default_factory=list[str])

    def facts(self) -> dict[str, Any]:
        """Counts for people and programs."""
        desirable = sum(one.desirable for one in self.answers)
        return {
            "answers": len(self.answers),
            "desirable": desirable,
            "undesirable": len(self.answers) - desirable,
            "bad": len(self.complaints),
            "complaints": self.complaints[:LISTED],
        }


def read_judgements(path: Path, columns: str, template: Template, context: int) -> Judgements:
    """Every answer that a file calls good or bad: a labelled one as it is, a preference pair as one of either. A row of
    another kind, or one longer than the context, is a complaint.

    UserError: none is left.
    """
    examples = read_examples(path, Columns(columns))
    found = Judgements(complaints=examples.complaints)
    for placed in examples.placed:
        example = placed.example
        if example.kind == "preference":
            question, said = example.messages, [(example.chosen, True), (example.rejected, False)]
        elif example.kind == "unpaired":
            question, said = example.messages[:-1], [(example.messages[-1].content, bool(example.label))]
        else:
            found.complaints.append(f"{placed.place}: {text('align.not_judged', kind=example.kind)}")
            continue
        judged = [Judged(encode_answer(template, question, answer), desirable) for answer, desirable in said]
        longest = max(len(one.encoded) for one in judged)
        if longest > context:
            found.complaints.append(f"{placed.place}: {text('align.too_long', tokens=longest, context=context)}")
            continue
        found.questions += [question] * len(judged)
        found.answers += judged
    if not found.answers:
        raise UserError("align.no_judged", path=path, complaint="; ".join(found.complaints[:1]))
    return found


@dataclass(frozen=True)
class Question:
    """A question to answer: its token ids as a prompt, its text, and the facts by which an answer is scored."""

    ids: tuple[int, ...]
    text: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    messages: tuple[Message, ...] = ()
    """All turns, where there are more than the question."""

    @property
    def prompt(self) -> Any:
        """As a row of data keeps it: its text, or all turns where there are more."""
        turns = [{"role": message.role, "content": message.content} for message in self.messages]
        return turns if len(turns) > 1 else self.text


@dataclass
class Questions:
    """The questions of a file that leave room for an answer, and what is wrong with the other rows."""

    items: list[Question] = field(default_factory=list[Question])
    complaints: list[str] = field(default_factory=list[str])

    def facts(self) -> dict[str, Any]:
        """Counts for people and programs."""
        return {
            "questions": len(self.items),
            "bad": len(self.complaints),
            "complaints": self.complaints[:LISTED],
        }


def read_questions(path: Path, columns: str, template: Template, room: int) -> Questions:
    """Every question of a file; of a conversation the last one, whose answer is taken to be the true one.

    A question of more than `room` tokens is a complaint. UserError: none is left.
    """
    examples = read_examples(path, Columns(columns))
    found = Questions(complaints=examples.complaints)
    for placed in examples.placed:
        example, facts = placed.example, dict(placed.example.facts)
        messages = example.messages
        if example.kind == "conversation":
            messages, facts = messages[:-1], {"answer": messages[-1].content} | facts
        elif example.kind != "prompt":
            found.complaints.append(f"{placed.place}: {text('align.not_question', kind=example.kind)}")
            continue
        elif example.answer is not None:
            facts["answer"] = example.answer
        ids = template.prompt(messages)
        if len(ids) > room:
            found.complaints.append(f"{placed.place}: {text('align.no_room', tokens=len(ids), room=room)}")
            continue
        found.items.append(Question(ids, messages[-1].content, facts, tuple(messages)))
    if not found.items:
        raise UserError("align.no_question", path=path, complaint="; ".join(found.complaints[:1]))
    return found


def split(count: int, share: float, seed: int, most: int = MOST_HELD_OUT) -> tuple[list[int], list[int]]:
    """Indices to train on and to measure: the same for the same seed. What is measured is not trained on, unless
    nothing is to be held out: then it is the beginning of what is."""
    order = np.random.Generator(np.random.Philox(key=np.array([seed % (1 << 64), 1], np.uint64))).permutation(count)
    held_out = min(most, max(1, round(share * count))) if share and count > 1 else 0
    seen = sorted(order[held_out:].tolist())
    return seen, sorted(order[:held_out].tolist()) or seen[:most]


def quick(indices: Sequence[int]) -> Sequence[int]:
    """Every n-th, about QUICK in all: what is measured in training must not take as long as training."""
    return indices[:: max(1, len(indices) // QUICK)]


def taken(items: Sequence[Any], indices: Sequence[int]) -> list[Any]:
    """Those items."""
    return [items[index] for index in indices]
