"""Reads the examples of a file for one method: what it can be trained on, and the errors of all other rows."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from modou.data.conversation import Encoded, Message, Template
from modou.data.formats.columns import Columns
from modou.data.formats.example import Example
from modou.data.formats.reading import read_examples
from modou.data.pairs import Pair, encode_answer, encode_pair
from modou.messages import UserError, text

LISTED = 20
"""Most errors listed in the facts of a file."""
MOST_HELD_OUT = 500
QUICK = 100
"""About as many held-out items are evaluated during training."""
T = TypeVar("T")


@dataclass(frozen=True)
class Facts:
    """What a file of examples holds."""

    bad: int
    """Rows that cannot be used."""
    complaints: list[str]
    """The first of their errors, each as "file:line: reason"."""


@dataclass(frozen=True)
class ConversationFacts(Facts):
    """What a file of conversations holds (sft)."""

    conversations: int
    """Conversations that fit the context."""
    tokens: int
    """Their tokens."""
    trained_tokens: int
    """Tokens of answers, which the loss is computed on."""
    marks_added: list[str]
    """Control tokens of a conversation that the base's tokenizer lacked and this run's has."""


@dataclass(frozen=True)
class PreferenceFacts(Facts):
    """What a file of preference pairs holds (reward, dpo)."""

    pairs: int
    """Preference pairs that fit the context."""
    kinds: dict[str, int]
    """Pairs of each kind."""


@dataclass(frozen=True)
class JudgementFacts(Facts):
    """What a file of labelled answers holds (kto)."""

    answers: int
    """Labelled answers that fit the context."""
    desirable: int
    """Answers labelled desirable."""
    undesirable: int
    """Answers labelled undesirable."""


@dataclass(frozen=True)
class QuestionFacts(Facts):
    """What a file of questions holds (ppo, grpo)."""

    questions: int
    """Questions that leave room for an answer."""


@dataclass
class Rows:
    """The usable rows of a file (in subclasses), and one error message for each of the others."""

    complaints: list[str] = field(default_factory=list[str])

    @property
    def unused(self) -> Facts:
        """Number of rows that cannot be used, and the first of their errors."""
        return Facts(len(self.complaints), self.complaints[:LISTED])

    def read(
        self, path: Path, columns: str, add: Callable[[Example], str | None], items: Sequence[object], missing: str
    ) -> None:
        """Passes every example of a file to `add`, which adds to `items` or returns an error message.

        UserError `missing`: then there is no item.
        """
        examples = read_examples(path, Columns(columns))
        self.complaints += examples.complaints
        for placed in examples.placed:
            if complaint := add(placed.example):
                self.complaints.append(f"{placed.place}: {complaint}")
        if not items:
            raise UserError(missing, path=path, complaint="; ".join(self.complaints[:1]))


@dataclass
class Conversations(Rows):
    """Conversations that fit the context."""

    messages: list[tuple[Message, ...]] = field(default_factory=list[tuple[Message, ...]])
    encoded: list[Encoded] = field(default_factory=list[Encoded])

    marks_added: list[str] = field(default_factory=list[str])
    """Control tokens that the template's tokenizer was given for them."""

    def facts(self) -> ConversationFacts:
        """Counts, as reported."""
        return ConversationFacts(
            **vars(self.unused),
            conversations=len(self.encoded),
            tokens=sum(len(one) for one in self.encoded),
            trained_tokens=sum(sum(one.trained) for one in self.encoded),
            marks_added=self.marks_added,
        )


def read_conversations(path: Path, columns: str, template: Template, context: int) -> Conversations:
    """The conversations of a file of at most `context` + 1 tokens. UserError: there is none."""
    found = Conversations()

    def add(example: Example) -> str | None:
        if example.kind != "conversation":
            return text("align.not_conversation", kind=example.kind)
        encoded = template.encode(example.messages)
        if len(encoded) > context + 1:
            return text("align.too_long", tokens=len(encoded), context=context)
        found.messages.append(example.messages)
        found.encoded.append(encoded)
        return None

    found.read(path, columns, add, found.encoded, "align.no_conversation")
    return found


@dataclass
class Preferences(Rows):
    """Preference pairs that fit the context, each with its question."""

    questions: list[tuple[Message, ...]] = field(default_factory=list[tuple[Message, ...]])
    pairs: list[Pair] = field(default_factory=list[Pair])

    def facts(self) -> PreferenceFacts:
        """Counts, as reported."""
        kinds = dict(Counter(pair.kind for pair in self.pairs if pair.kind))
        return PreferenceFacts(**vars(self.unused), pairs=len(self.pairs), kinds=kinds)


def read_preferences(path: Path, columns: str, template: Template, context: int) -> Preferences:
    """The preference pairs of a file, both answers within `context` tokens. UserError: there is none."""
    found = Preferences()
    known: dict[Encoded, Encoded] = {}  # pairs with the same chosen answer share one object

    def add(example: Example) -> str | None:
        if example.kind != "preference":
            return text("align.not_preference", kind=example.kind)
        pair = encode_pair(template, example.messages, example.chosen, example.rejected, example.group)
        longest = max(len(pair.chosen), len(pair.rejected))
        if longest > context:
            return text("align.too_long", tokens=longest, context=context)
        found.questions.append(example.messages)
        found.pairs.append(replace(pair, chosen=known.setdefault(pair.chosen, pair.chosen)))
        return None

    found.read(path, columns, add, found.pairs, "align.no_preference")
    return found


@dataclass(frozen=True)
class Judged:
    """A conversation of which only the last answer is trained on, and whether that answer is desirable."""

    encoded: Encoded
    desirable: bool


@dataclass
class Judgements(Rows):
    """Labelled answers that fit the context, each with its question."""

    questions: list[tuple[Message, ...]] = field(default_factory=list[tuple[Message, ...]])
    answers: list[Judged] = field(default_factory=list[Judged])

    def facts(self) -> JudgementFacts:
        """Counts, as reported."""
        count, desirable = len(self.answers), sum(one.desirable for one in self.answers)
        return JudgementFacts(**vars(self.unused), answers=count, desirable=desirable, undesirable=count - desirable)


def read_judgements(path: Path, columns: str, template: Template, context: int) -> Judgements:
    """The labelled answers of a file; a preference pair is one desirable and one undesirable answer.

    UserError: there is none within `context` tokens.
    """
    found = Judgements()

    def add(example: Example) -> str | None:
        if example.kind == "preference":
            question, labelled = example.messages, [(example.chosen, True), (example.rejected, False)]
        elif example.kind == "unpaired":
            question, labelled = example.messages[:-1], [(example.messages[-1].content, bool(example.label))]
        else:
            return text("align.not_judged", kind=example.kind)
        judged = [Judged(encode_answer(template, question, answer), desirable) for answer, desirable in labelled]
        longest = max(len(one.encoded) for one in judged)
        if longest > context:
            return text("align.too_long", tokens=longest, context=context)
        found.questions += [question] * len(judged)
        found.answers += judged
        return None

    found.read(path, columns, add, found.answers, "align.no_judged")
    return found


@dataclass(frozen=True)
class Question:
    """A prompt: token ids, text of the question, and facts by which an answer is scored (such as the true answer)."""

    ids: tuple[int, ...]
    text: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    messages: tuple[Message, ...] = ()
    """All turns; () = the question alone."""

    @property
    def prompt(self) -> Any:
        """The prompt as a row of data: the text, or all turns where there is more than one."""
        turns = [{"role": message.role, "content": message.content} for message in self.messages]
        return turns if len(turns) > 1 else self.text


@dataclass
class Questions(Rows):
    """Questions that leave room for an answer."""

    items: list[Question] = field(default_factory=list[Question])

    def facts(self) -> QuestionFacts:
        """Counts, as reported."""
        return QuestionFacts(**vars(self.unused), questions=len(self.items))


def read_questions(path: Path, columns: str, template: Template, room: int) -> Questions:
    """The prompts of a file of at most `room` tokens. UserError: there is none.

    Of a conversation, the prompt is everything before the last answer, which becomes facts["answer"].
    """
    found = Questions()

    def add(example: Example) -> str | None:
        messages, facts = example.messages, dict(example.facts)
        if example.kind == "conversation":
            messages, facts = messages[:-1], {"answer": messages[-1].content} | facts
        elif example.kind != "prompt":
            return text("align.not_question", kind=example.kind)
        elif example.answer is not None:
            facts["answer"] = example.answer
        ids = template.prompt(messages)
        if len(ids) > room:
            return text("align.no_room", tokens=len(ids), room=room)
        found.items.append(Question(ids, messages[-1].content, facts, tuple(messages)))
        return None

    found.read(path, columns, add, found.items, "align.no_question")
    return found


def split(count: int, share: float, seed: int, most: int = MOST_HELD_OUT) -> tuple[list[int], list[int]]:
    """(training indices, held-out indices) of 0 .. count - 1: a random split, at most `most` held out.

    With `share` 0, or fewer than two items, the first `most` training indices serve as both.
    """
    order = np.random.Generator(np.random.Philox(key=np.array([seed % (1 << 64), 1], np.uint64))).permutation(count)
    held_out = min(most, max(1, round(share * count))) if share and count > 1 else 0
    seen = sorted(order[held_out:].tolist())
    return seen, sorted(order[:held_out].tolist()) or seen[:most]


def subsample_indices(indices: Sequence[int]) -> Sequence[int]:
    """Every n-th index, about QUICK in all, so that evaluation during training stays short."""
    return indices[:: max(1, len(indices) // QUICK)]


def select(items: Sequence[T], indices: Sequence[int]) -> list[T]:
    """The items at `indices`."""
    return [items[index] for index in indices]
