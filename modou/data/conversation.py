"""Conversations as token ids, with a mask of what is trained that is right by construction.

    <s> <|system|> ... <|end|> <|user|> question <|end|> <|assistant|> answer <|end|>

Every mark is a control symbol of the tokenizer: no text, whatever it says, is ever encoded as one. A conversation is a
list of segments, each text or mark with whether it is trained: the answers and the <|end|> that closes them are, the
rest is not. So the model learns to stop, and never to speak for the user.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from modou.tokenizer.tokenizer import Tokenizer

Role = Literal["system", "user", "assistant"]
Mark = Literal["system", "user", "assistant", "end"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `trained` = an assistant's turn that the model is to learn (another's never is)."""

    role: Role
    content: str
    trained: bool = True


class Segment(NamedTuple):
    """A mark, or a text, and whether the model learns to write it."""

    mark: Mark | None
    text: str
    trained: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """Ids of a conversation, and for each whether it is trained."""

    ids: tuple[int, ...]
    trained: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)


def segments(messages: Sequence[Message]) -> Iterator[Segment]:
    """The conversation in order, mark, text, mark by turn."""
    for message in messages:
        learnt = message.role == "assistant" and message.trained
        yield Segment(message.role, "", False)
        yield Segment(None, message.content, learnt)
        yield Segment("end", "", learnt)


class Template:
    """How a tokenizer writes conversations."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.ends = frozenset({tokenizer.end, tokenizer.eos})
        """Ids that end an answer."""

    def encode(self, messages: Sequence[Message]) -> Encoded:
        """A whole conversation."""
        ids, trained = [self.tokenizer.bos], [False]
        for segment in segments(messages):
            new = [self.tokenizer.controls[segment.mark]] if segment.mark else self.tokenizer.encode(segment.text)
            ids += new
            trained += [segment.trained] * len(new)
        return Encoded(tuple(ids), tuple(trained))

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids after which an answer is to be written: the conversation so far and the assistant's mark.

        `encode` of the same messages and an answer begins with exactly these ids.
        """
        return (*self.encode(messages).ids, self.tokenizer.assistant)

    def answer(self, ids: Sequence[int]) -> str:
        """The text of written ids, without the mark that ends it."""
        return self.tokenizer.decode(id for id in ids if id not in self.ends)
