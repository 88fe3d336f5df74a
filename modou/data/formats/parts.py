"""The parts of a row that several formats share: system message, history, question, answer."""

import json
from collections.abc import Mapping
from typing import Any, cast

from modou.data.conversation import Message
from modou.data.formats.example import BadExample
from modou.data.formats.marked import turns_in
from modou.data.formats.turns import messages_of, pairs_of, text_of

Fields = Mapping[str, Any]

QUESTIONS = ("instruction", "question", "query", "input", "prompt")
ANSWERS = ("output", "response", "target", "answer", "completion", "summary")
TURNS = ("messages", "conversations", "conversation")


def question_field(fields: Fields) -> str | None:
    """The name of the field that holds the question: "content" if there is a "summary", which then is the answer."""
    if "content" in fields and "summary" in fields:
        return "content"
    return next((name for name in QUESTIONS if name in fields), None)


def answer_field(fields: Fields) -> str | None:
    """The name of the field that holds the answer."""
    asked = question_field(fields)
    return next((name for name in ANSWERS if name in fields and name != asked), None)


def prompt_messages(fields: Fields) -> list[Message]:
    """System message, history and question of a row, as far as it has them."""
    system = text_of(fields.get("system") or fields.get("system_prompt"), "system").strip()
    found = [Message("system", system)] if system else []
    for name in TURNS:
        if name in fields:
            return found + messages_of(fields[name])
    found += pairs_of(fields.get("history"))
    name = question_field(fields)
    if name is None:
        return found
    if isinstance(fields[name], list):
        return found + messages_of(fields[name])
    asked = text_of(fields[name], name)
    beside = [text_of(fields.get(more), more) for more in ("input", "context") if more != name]
    return found + asked_messages("\n".join(part for part in (asked, *beside) if part))


def asked_messages(asked: str) -> list[Message]:
    """The user's turn; or several, if the text is a chat template's that waits for an answer."""
    marked = turns_in(asked)
    if marked is not None:
        style, messages = marked
        if messages and messages[-1].role == "assistant" and not messages[-1].content:
            messages.pop()
        waits = bool(messages) and messages[-1].role == "user"
        if waits and (style.special or messages[0].role != "system"):
            return messages
    return [Message("user", asked)]


def answer_messages(fields: Fields) -> list[Message]:
    """The answer of a row. BadExample: there is none."""
    name = answer_field(fields)
    if name is None:
        raise BadExample("examples.no_answer")
    value = fields[name]
    if isinstance(value, list) and not all(isinstance(item, str) for item in cast(list[Any], value)):
        return messages_of(value)
    said = cast(list[Any], value)[0] if isinstance(value, list) and value else value
    return [Message("assistant", text_of(said, name))]


def turns_of(fields: Fields) -> list[Message]:
    """The list of turns of a row, with its system message and tools."""
    found = messages_of(next(fields[name] for name in TURNS if name in fields))
    system = text_of(fields.get("system"), "system").strip()
    tools = fields.get("tools")
    if tools:
        listed = tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False)
        system = "\n".join(part for part in (system, listed) if part)
    if system and found[0].role == "system":
        return [Message("system", f"{found[0].content}\n{system}"), *found[1:]]
    return [Message("system", system), *found] if system else found
