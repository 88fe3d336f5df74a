"""The parts of a row that several formats share: system message, history, question, answer."""

import json
from collections.abc import Mapping
from typing import Any, cast

from modou.data.conversation import Message
from modou.data.formats.example import BadExample
from modou.data.formats.marked import bare, turns_in
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
    return [*found, Message("user", "\n".join(part for part in (asked, *beside) if part))]


def without_marks(fields: Fields, notes: list[str]) -> Fields:
    """The row with its question as turns, if it is a chat template's text that waits for an answer ("… Assistant:")."""
    name = question_field(fields)
    marked = turns_in(fields[name]) if name is not None and isinstance(fields[name], str) else None
    if name is None or marked is None:
        return fields
    style, messages = marked
    if messages and messages[-1].role == "assistant" and not messages[-1].content:
        messages = messages[:-1]
    if not messages or messages[-1].role != "user" or not (style.special or messages[0].role != "system"):
        return fields
    notes.append(f"marked:{style.name}")
    said = {key: bare(value) for key, value in fields.items() if isinstance(value, str)}
    return {**fields, **said, name: [{"role": one.role, "content": one.content} for one in messages]}


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
    tools = fields.get("tools") or fields.get("functions")
    if tools:
        listed = tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False)
        system = "\n".join(part for part in (system, listed) if part)
    if system and found[0].role == "system":
        return [Message("system", f"{found[0].content}\n{system}"), *found[1:]]
    return [Message("system", system), *found] if system else found
