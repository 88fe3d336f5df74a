"""Conversations as token ids with a loss mask.

    <s> <|system|> ... <|end|> <|user|> question <|end|> <|assistant|> answer <|end|>

<s> and <|...|> are control tokens, which no text is encoded as. The loss mask covers the assistant's answers and the
<|end|> after each, so the model learns to stop but not to write the user's turns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from modou.messages import UserError
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import CONTROLS

Role = Literal["system", "user", "assistant"]
Mark = Literal["system", "user", "assistant", "end"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `trained`: whether an assistant's turn is in the loss mask; other roles never are."""

    role: Role
    content: str
    trained: bool = True


class Segment(NamedTuple):
    """A control token (`text` is empty) or a text (`mark` is None), and whether it is in the loss mask."""

    mark: Mark | None
    text: str
    trained: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a conversation, and the loss mask of the same length."""

    ids: tuple[int, ...]
    trained: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.ids)


def segments(messages: Sequence[Message]) -> Iterator[Segment]:
    """Yield three segments per turn: role token, content, end token."""
    for message in messages:
        trained = message.role == "assistant" and message.trained
        yield Segment(message.role, "", False)
        yield Segment(None, message.content, trained)
        yield Segment("end", "", trained)


class Template:
    """The chat template of a tokenizer that has the control tokens of CONTROLS."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """UserError: it lacks one."""
        for name in CONTROLS:
            if name.strip("<|>") not in tokenizer.controls:
                raise UserError("tokens.control_missing", path=tokenizer.source, token=name)
        self.tokenizer = tokenizer
        self.ends = frozenset({tokenizer.end, tokenizer.eos})
        """Token ids that end an answer."""

    def encode(self, messages: Sequence[Message]) -> Encoded:
        """Token ids and loss mask of a whole conversation."""
        ids, trained = [self.tokenizer.bos], [False]
        for segment in segments(messages):
            new = [self.tokenizer.controls[segment.mark]] if segment.mark else self.tokenizer.encode(segment.text)
            ids += new
            trained += [segment.trained] * len(new)
        return Encoded(tuple(ids), tuple(trained))

    def prompt(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of the conversation so far and <|assistant|>: a prefix of `encode` whatever the answer."""
        return (*self.encode(messages).ids, self.tokenizer.assistant)

    def answer(self, ids: Sequence[int]) -> str:
        """The text of generated ids without the end token."""
        return self.tokenizer.decode(id for id in ids if id not in self.ends)
