"""The common form of all formats."""

from dataclasses import dataclass, field
from typing import Any, Literal

from modou.data.conversation import Message

Kind = Literal["conversation", "preference", "unpaired", "stepwise", "prompt", "text"]


@dataclass(frozen=True, slots=True)
class Example:
    """One example of any format. Fields by `kind`:

    conversation   `messages` end with an answer; `answer` is the final result that a worked answer states, if it does
    preference     `messages` end with a question; `chosen` is a better answer than `rejected`
    unpaired       `messages` end with an answer; `label` says whether it is a good one
    stepwise       `messages` end with a question; `steps` of an answer, each correct or not
    prompt         `messages` end with a question; `answer` is the correct one, if known
    text           `text` alone
    """

    kind: Kind
    messages: tuple[Message, ...] = ()
    chosen: str = ""
    rejected: str = ""
    label: bool | None = None
    steps: tuple[tuple[str, bool], ...] = ()
    answer: str | None = None
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    """What a rule needs to score an answer."""
    group: str = ""
    """The kind of pair, if the row has one."""
    text: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was assumed in reading it: message keys; "unread:KEY", a key of turns; "marked:STYLE", marks of a text."""

    @property
    def learned(self) -> tuple[str, ...]:
        """The texts that a model may learn to write."""
        spoken = self.messages if self.kind in ("conversation", "unpaired", "prompt") else ()
        said = [message.content for message in spoken if message.role == "assistant" and message.trained]
        return (*said, self.chosen, self.rejected, *(step for step, _ in self.steps), self.answer or "", self.text)


class BadExample(Exception):
    """An invalid row. `key`, `values`: the message that gives the reason."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values
