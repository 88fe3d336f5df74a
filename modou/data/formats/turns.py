"""Convert lists of turns to messages, under any of the usual names of roles and fields."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from modou.data.conversation import Message, Role
from modou.data.formats.example import BadExample

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "问": "user",
    "用户": "user",
    "observation": "user",  # a tool's result: input to the model, not in the loss mask
    "tool": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "答": "assistant",
    "助手": "assistant",
    "function_call": "assistant",
    "function": "assistant",
}
ROLE_FIELDS = ("role", "from")
CONTENT_FIELDS = ("content", "value")


def messages_of(turns: Any) -> list[Message]:
    """Convert a list of {role, content}, {from, value} or {human, assistant} objects. BadExample: anything else."""
    if not isinstance(turns, list) or not turns:
        raise BadExample("examples.no_turns")
    found: list[Message] = []
    for number, turn in enumerate(cast(list[Any], turns), 1):
        if not isinstance(turn, dict):
            raise BadExample("examples.turn_not_object", turn=number)
        found += _turn(cast(dict[str, Any], turn), number)
    return found


def pairs_of(history: Any) -> list[Message]:
    """Convert a history of [question, answer] pairs. BadExample: anything else."""
    found: list[Message] = []
    if history is not None and not isinstance(history, list):
        raise BadExample("examples.history_not_pairs", turn=1)
    for number, pair in enumerate(cast(Sequence[Any], history or []), 1):
        if not isinstance(pair, list | tuple) or len(cast(Sequence[Any], pair)) != 2:
            raise BadExample("examples.history_not_pairs", turn=number)
        question, answer = (text_of(part, "history") for part in cast(Sequence[Any], pair))
        found += [Message("user", question), Message("assistant", answer)]
    return found


def text_of(value: Any, field: str) -> str:
    """A string, a number, or the joined texts of OpenAI's content parts; null is "". BadExample: anything else."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        parts = [cast(dict[str, Any], part) for part in cast(list[Any], value) if isinstance(part, dict)]
        if len(parts) == len(cast(list[Any], value)) and all(part.get("type") == "text" for part in parts):
            return "".join(text_of(part.get("text"), field) for part in parts)
    raise BadExample("examples.not_text", field=field)


def _turn(turn: Mapping[str, Any], number: int) -> list[Message]:
    if "human" in turn and "assistant" in turn:
        human, assistant = (text_of(turn[name], name) for name in ("human", "assistant"))
        return [Message("user", human), Message("assistant", assistant)]
    name = next((turn[field] for field in ROLE_FIELDS if field in turn), None)
    role = ROLES.get(str(name).lower()) if name is not None else None
    if role is None:
        raise BadExample("examples.unknown_role", turn=number, role=name)
    content = text_of(next((turn[field] for field in CONTENT_FIELDS if field in turn), None), "content")
    reasoning = text_of(turn.get("reasoning_content"), "reasoning_content")
    if reasoning:
        content = f"<think>\n{reasoning}\n</think>\n{content}"
    calls, tools = turn.get("tool_calls"), turn.get("tools")
    content = "\n".join(part for part in (content, *(_plain(extra) for extra in (tools, calls) if extra)) if part)
    return [Message(role, content)]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def check(messages: Sequence[Message], ends_with: Role) -> tuple[Message, ...]:
    """Validate a conversation that ends with role `ends_with`: at most one system message, first; then user and
    assistant alternate; no turn is empty. Blank system messages are dropped. BadExample: names the first fault."""
    messages = [message for message in messages if message.role != "system" or message.content.strip()]
    spoken = [message for message in messages if message.role != "system"]
    systems = [index for index, message in enumerate(messages) if message.role == "system"]
    if systems not in ([], [0]):
        raise BadExample("examples.system_not_first", turn=systems[-1] + 1)
    if not spoken or spoken[0].role != "user":
        raise BadExample("examples.no_question")
    for before, after in pairwise(spoken):
        if before.role == after.role:
            raise BadExample("examples.not_in_turn", role=after.role)
    if spoken[-1].role != ends_with:
        raise BadExample("examples.ends_with_answer" if ends_with == "user" else "examples.ends_with_question")
    for number, message in enumerate(messages, 1):
        if not message.content.strip():
            raise BadExample("examples.empty_turn", turn=number, role=message.role)
    return tuple(messages)
