"""Read a file of examples for one method: training data, and an error message for every unusable row."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
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
"""Maximum number of errors listed in the facts of a file."""
MOST_HELD_OUT = 500
QUICK = 100
"""Approximate number of held-out items evaluated during training."""
T = TypeVar("T")


@dataclass(frozen=True)
class Facts:
    """Statistics of a file of examples."""

    bad: int
    """Number of unusable rows."""
    complaints: list[str]
    """The first error messages, each "file:line: reason"."""
    notes: list[str]
    """What was assumed in reading the file, each with its number and first place."""


@dataclass(frozen=True)
class ConversationFacts(Facts):
    """Statistics of a file of conversations (sft)."""

    conversations: int
    """Number of conversations that fit the context."""
    tokens: int
    """Number of their tokens."""
    trained_tokens: int
    """Number of tokens in the loss mask."""
    marks_added: list[str]
    """Control tokens added because the base's tokenizer has none of that name."""


@dataclass(frozen=True)
class PreferenceFacts(Facts):
    """Statistics of a file of preference pairs (reward, dpo)."""

    pairs: int
    """Number of preference pairs that fit the context."""
    kinds: dict[str, int]
    """Number of pairs of each kind."""


@dataclass(frozen=True)
class JudgementFacts(Facts):
    """Statistics of a file of labelled answers (kto)."""

    answers: int
    """Number of labelled answers that fit the context."""
    desirable: int
    """Number of answers labelled desirable."""
    undesirable: int
    """Number of answers labelled undesirable."""


@dataclass(frozen=True)
class QuestionFacts(Facts):
    """Statistics of a file of questions (ppo, grpo)."""

    questions: int
    """Number of questions that leave room for an answer."""


@dataclass
class Rows:
    """The usable rows of a file (in subclasses), and one error message for each of the others."""

    complaints: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    """What was assumed in reading them."""

    @property
    def read_as(self) -> Facts:
        """Number of unusable rows, the first error messages, and the notes."""
        return Facts(len(self.complaints), self.complaints[:LISTED], self.notes)

    def read(
        self, path: Path, columns: str, add: Callable[[Example], str | None], items: Sequence[object], missing: str
    ) -> None:
        """Pass every example of a file to `add`, which appends to `items` or returns an error message.

        UserError `missing`: `items` is empty afterwards.
        """
        examples = read_examples(path, Columns(columns))
        self.complaints += examples.complaints
        self.notes += examples.notes
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
    """Control tokens that were added to the template's tokenizer."""

    def facts(self) -> ConversationFacts:
        """Counts, as reported."""
        return ConversationFacts(
            **vars(self.read_as),
            conversations=len(self.encoded),
            tokens=sum(len(one) for one in self.encoded),
            trained_tokens=sum(sum(one.trained) for one in self.encoded),
            marks_added=self.marks_added,
        )


def read_conversations(path: Path, columns: str, template: Template, context: int) -> Conversations:
    """Read the conversations with at most `context` + 1 tokens from a file, each up to its last answer.

    UserError: there are none.
    """
    found = Conversations()

    def add(example: Example) -> str | None:
        messages = example.messages[:-1] if example.kind == "prompt" else example.messages
        learned = any(message.role == "assistant" and message.trained for message in messages)
        if example.kind not in ("conversation", "prompt") or not learned:
            return text("align.not_conversation", kind=example.kind)
        encoded = template.encode(messages)
        if len(encoded) > context + 1:
            return text("align.too_long", tokens=len(encoded), context=context)
        found.messages.append(messages)
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
        return PreferenceFacts(**vars(self.read_as), pairs=len(self.pairs), kinds=kinds)


def read_preferences(path: Path, columns: str, template: Template, context: int) -> Preferences:
    """Read the preference pairs with at most `context` tokens in either conversation. UserError: there are none."""
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
    """A conversation with only the last answer in the loss mask, and whether that answer is desirable."""

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
        return JudgementFacts(**vars(self.read_as), answers=count, desirable=desirable, undesirable=count - desirable)


def read_judgements(path: Path, columns: str, template: Template, context: int) -> Judgements:
    """Read the labelled answers of a file; a preference pair is one desirable and one undesirable answer.

    UserError: there are none with at most `context` tokens.
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
    """A prompt: token ids, text of the question, and facts for scoring an answer (such as the correct answer)."""

    ids: tuple[int, ...]
    text: str
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    messages: tuple[Message, ...] = ()
    """All turns; () if there is only the question."""

    @property
    def prompt(self) -> Any:
        """The prompt as in a data file: the text, or a list of turns if there are several."""
        turns = [{"role": message.role, "content": message.content} for message in self.messages]
        return turns if len(turns) > 1 else self.text


@dataclass
class Questions(Rows):
    """Questions that leave room for an answer."""

    items: list[Question] = field(default_factory=list[Question])

    def facts(self) -> QuestionFacts:
        """Counts, as reported."""
        return QuestionFacts(**vars(self.read_as), questions=len(self.items))


def read_questions(path: Path, columns: str, template: Template, room: int) -> Questions:
    """Read the prompts with at most `room` tokens from a file. UserError: there are none.

    Of a conversation, the prompt is everything before the last answer, which becomes facts["answer"]; of a worked
    answer, its result, while the whole is facts["worked"].
    """
    found = Questions()

    def add(example: Example) -> str | None:
        messages, facts = example.messages, dict(example.facts)
        if example.kind == "conversation":
            worked = messages[-1].content
            given = {"answer": worked} if example.answer is None else {"answer": example.answer, "worked": worked}
            messages, facts = messages[:-1], given | facts
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


def split(keys: Sequence[Hashable], share: float, seed: int, most: int = MOST_HELD_OUT) -> tuple[list[int], list[int]]:
    """(training indices, held-out indices) of items: a random split, at most `most` held out. Items with equal keys are
    on one side: groups are held out in random order as long as they fit the share, or else the smallest.

    With `share` 0, or fewer than two different keys, the first `most` training indices serve as both.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    alike = list(groups.values())
    generator = np.random.Generator(np.random.Philox(key=np.array([seed % (1 << 64), 1], np.uint64)))
    order = [alike[group] for group in generator.permutation(len(alike))]
    wanted = min(most, max(1, round(share * len(keys)))) if share and len(alike) > 1 else 0
    held_out: list[int] = []
    for group in order[:-1]:
        if len(held_out) + len(group) <= wanted:
            held_out += group
    if wanted and not held_out:
        held_out = min(order, key=len)
    seen = sorted(set(range(len(keys))).difference(held_out))
    return seen, sorted(held_out) or seen[:most]


def subsample_indices(indices: Sequence[int]) -> Sequence[int]:
    """Every n-th index, about QUICK in all, so that evaluation during training stays short."""
    return indices[:: max(1, len(indices) // QUICK)]


def select(items: Sequence[T], indices: Sequence[int]) -> list[T]:
    """The items at `indices`."""
    return [items[index] for index in indices]
