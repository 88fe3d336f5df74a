"""What every format becomes."""

from dataclasses import dataclass, field
from typing import Any, Literal

from modou.data.conversation import Message

Kind = Literal["conversation", "preference", "unpaired", "stepwise", "prompt", "text"]


@dataclass(frozen=True, slots=True)
class Example:
    """One row, whatever its format.

    conversation   `messages` end with an answer
    preference     `messages` end with a question; `chosen` is a better answer than `rejected`
    unpaired       `messages` end with an answer; `label` says whether it is a good one
    stepwise       `messages` end with a question; `steps` of an answer, each right or not
    prompt         `messages` end with a question; `answer` is the true one where it is known
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
    """What a rule must know to judge an answer."""
    group: str = ""
    """What kind of pair it is, where the row says so."""
    text: str = ""


class BadExample(Exception):
    """A row that is no example; `key` names the reason in the messages, `values` fill it."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values
