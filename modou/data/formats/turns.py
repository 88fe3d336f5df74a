"""Convert lists of turns to messages, under any of the usual names of roles and fields, and put them in order."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
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
    # A tool's result: input to the model, not in the loss mask.
    "observation": "user",
    "tool": "user",
    "tool_response": "user",
    "function": "user",
    "ipython": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "答": "assistant",
    "助手": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
}
ROLE_FIELDS = ("role", "from")
CONTENT_FIELDS = ("content", "value")
LEARNED = ("weight", "train", "training", "trained", "trainable", "learn", "loss")
"""Keys of a turn that is not to be learned if their value is 0 or false."""
MASKED = ("mask", "masked")
"""Keys of a turn that is not to be learned if their value is 1 or true."""
MARKS = {*LEARNED, *MASKED}
CALLS = ("tools", "tool_calls", "function_call")
READ = frozenset(
    (
        *(*ROLE_FIELDS, *CONTENT_FIELDS, *LEARNED, *MASKED, *CALLS),
        *("human", "assistant", "reasoning_content", "name", "tool_call_id", "id", "type"),
    )
)
"""Keys of a turn that are read, or only name it."""
_NO, _YES = ("false", "0", "0.0"), ("true", "1", "1.0")


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
    """A string, a finite number, or the joined texts of a list of content parts (OpenAI, Anthropic); null is "".

    BadExample: anything else.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) != float("inf"):
        return str(value)
    if isinstance(value, list):
        parts = cast(list[Any], value)
        said = [_part(part, field) for part in parts]
        plain = all(isinstance(part, dict) and "text" in part for part in parts)
        return ("" if plain else "\n").join(said)
    raise BadExample("examples.not_text", field=field)


def _part(part: Any, field: str) -> str:
    """The text of one content part; a tool's use as JSON, its result as its text."""
    if isinstance(part, dict):
        fields = cast(dict[str, Any], part)
        match fields.get("type"):
            case "text" | "input_text" | "output_text":
                return text_of(fields.get("text"), field)
            case "thinking":
                return f"<think>\n{text_of(fields.get('thinking'), field)}\n</think>"
            case "tool_use":
                return _plain({"name": fields.get("name"), "arguments": fields.get("input")})
            case "tool_result":
                return text_of(fields.get("content"), field)
            case _:
                pass
    raise BadExample("examples.not_text", field=field)


def _turn(turn: Mapping[str, Any], number: int) -> list[Message]:
    trained = is_trained(turn)
    if "human" in turn and "assistant" in turn:
        human, assistant = (text_of(turn[name], name) for name in ("human", "assistant"))
        return [Message("user", human), Message("assistant", assistant, trained)]
    name = next((turn[field] for field in ROLE_FIELDS if field in turn), None)
    role = ROLES.get(str(name).lower()) if name is not None else None
    if role is None:
        raise BadExample("examples.unknown_role", turn=number, role=name)
    content = text_of(next((turn[field] for field in CONTENT_FIELDS if field in turn), None), "content")
    reasoning = text_of(turn.get("reasoning_content"), "reasoning_content")
    if reasoning:
        content = f"<think>\n{reasoning}\n</think>\n{content}"
    called = [_plain(turn[name]) for name in CALLS if turn.get(name)]
    return [Message(role, "\n".join(part for part in (content, *called) if part), trained)]


def is_trained(turn: Mapping[str, Any]) -> bool:
    """False if a key of the turn says that it is not to be learned."""
    return not any(str(turn[name]).lower() in (_NO if name in LEARNED else _YES) for name in turn.keys() & MARKS)


def unread_keys(fields: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a row's turns that have a value and are not read, such as "emotion"; "weight 0.5" is one, too."""
    lists = [cast(list[Any], value) for value in fields.values() if isinstance(value, list)]
    turns = [cast(dict[str, Any], turn) for turns in lists for turn in turns if isinstance(turn, dict)]
    for turn in turns:
        if any(name in turn for name in ROLE_FIELDS):
            for name, value in turn.items():
                if name not in READ and value not in (None, "", [], {}):
                    yield name
                elif name in LEARNED and value is not None and str(value).lower() not in (*_NO, *_YES):
                    yield f"{name} {value}"[:40]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def in_order(messages: Sequence[Message]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """The messages as a conversation that a template can hold, and a note for everything that was changed.

    Blank system messages are dropped; one amid the conversation becomes the user's; several messages of one side in a
    row become one, joined by a line break, learned only if all of them are; an answer before the first question is
    context that is not learned.
    """
    messages = [message for message in messages if message.role != "system" or message.content.strip()]
    notes: list[str] = []
    found: list[Message] = []
    begun = False
    for _, side in groupby(_amid(messages, notes), lambda message: message.role):
        run = list(side)
        role = run[0].role
        said = [message for message in run if message.content.strip()] or run
        notes += ["examples.note_joined"] * (len(said) - 1)
        trained = all(message.trained for message in said)
        if role == "assistant" and not begun:
            trained = False
            notes.append("examples.note_opening")
        elif role == "assistant" and not trained:
            notes.append("examples.note_unlearned")
        begun = begun or role == "user"
        found.append(Message(role, "\n".join(message.content for message in said), trained))
    return tuple(found), tuple(notes)


def _amid(messages: Sequence[Message], notes: list[str]) -> Iterator[Message]:
    begun = False
    for message in messages:
        if begun and message.role == "system":
            notes.append("examples.note_system")
            message = Message("user", message.content)
        begun = begun or message.role != "system"
        yield message


def check(messages: Sequence[Message], ends_with: Role) -> None:
    """BadExample: messages `in_order` hold no question, an empty turn, nothing to learn, or do not end with role
    `ends_with`."""
    if not any(message.role == "user" for message in messages):
        raise BadExample("examples.no_question")
    if messages[-1].role != ends_with:
        raise BadExample("examples.ends_with_answer" if ends_with == "user" else "examples.ends_with_question")
    for number, message in enumerate(messages, 1):
        if not message.content.strip():
            raise BadExample("examples.empty_turn", turn=number, role=message.role)
    if ends_with == "assistant" and not any(message.role == "assistant" and message.trained for message in messages):
        raise BadExample("examples.nothing_learned")
