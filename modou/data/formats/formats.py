"""Published formats of examples, recognised by their keys. Each is a function from a row's fields to its Examples."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from modou.data.conversation import Message, Role
from modou.data.formats.example import BadExample, Example, Kind
from modou.data.formats.marked import turns_in
from modou.data.formats.parts import (
    QUESTIONS,
    TURNS,
    Fields,
    answer_field,
    answer_messages,
    prompt_messages,
    question_field,
    turns_of,
    without_marks,
)
from modou.data.formats.preferences import is_scored, preference, ranked, scored
from modou.data.formats.turns import check, in_order, text_of, unread_keys

TEXTS = ("text", "content", "completion")
LAST: dict[Kind, Role] = {
    "conversation": "assistant",
    "unpaired": "assistant",
    "preference": "user",
    "stepwise": "user",
    "prompt": "user",
}
"""The side whose turn ends the messages of each kind."""
_REPLACED = "\ufffd"


def read(row: Any) -> tuple[Example, ...]:
    """Convert a row (an object or a string) to its Examples: several if it ranks more than two answers. NaN is null.

    BadExample: unknown format, or an invalid row.
    """
    notes: list[str] = []
    row = _without_nan_and_nul({"text": row} if isinstance(row, str) else row, notes)
    if not isinstance(row, dict):
        raise BadExample("examples.row_not_object")
    if not row:
        raise BadExample("examples.empty_row")
    every = without_marks(cast(Fields, row), notes)
    # A table of several formats writes null into the columns that a row lacks; what is left may lack its answer.
    fields = {name: value for name, value in every.items() if value is not None}
    convert = _format(fields)
    if convert in (None, prompt) or (convert is text and "text" not in fields):
        fields, convert = every, _format(every)
    if convert is None:
        raise BadExample("examples.unknown_shape", keys=", ".join(sorted(every))[:80])
    notes += [f"unread:{key}" for key in sorted(set(unread_keys(fields)))]
    made = convert(fields)
    return tuple(_checked(one, notes) for one in (made if isinstance(made, list) else [made]))


def _format(fields: Fields) -> "Conversion | None":
    return next((convert for matches, convert in FORMATS if matches(fields)), None)


def _without_nan_and_nul(value: Any, notes: list[str]) -> Any:
    """NaN, which Python's json writes for a missing value, as null; texts without NUL."""
    if isinstance(value, dict):
        return {key: _without_nan_and_nul(inner, notes) for key, inner in cast(Fields, value).items()}
    if isinstance(value, list):
        return [_without_nan_and_nul(inner, notes) for inner in cast(list[Any], value)]
    if isinstance(value, str) and "\0" in value:
        notes.append("examples.note_nul")
        return value.replace("\0", "")
    return None if isinstance(value, float) and value != value else value


def _checked(example: Example, notes: list[str]) -> Example:
    """The example with its messages in order, and all notes. BadExample: see `turns.check`; an undecodable character in
    what is learned."""
    messages, more = in_order(example.messages)
    if example.kind in LAST:
        check(messages, LAST[example.kind])
    example = replace(example, messages=messages)
    if any(_REPLACED in text for text in example.learned):
        raise BadExample("examples.undecodable")
    if any(_REPLACED in message.content for message in messages):
        more = (*more, "examples.note_undecodable")
    if example.kind == "prompt" and any(message.role == "assistant" and message.trained for message in messages):
        more = (*more, "examples.note_open_end")
    return replace(example, notes=(*notes, *example.notes, *more))


# -- labelled answers --


def unpaired(fields: Fields) -> Example:
    """An answer with a label: good or not."""
    label = fields["label"] if "label" in fields else fields["kto_tag"]
    if not isinstance(label, bool):
        raise BadExample("examples.label_not_bool")
    in_turns = any(name in fields for name in TURNS)
    messages = turns_of(fields) if in_turns else [*prompt_messages(fields), *answer_messages(fields)]
    return Example("unpaired", tuple(messages), label=label)


def stepwise(fields: Fields) -> Example:
    """An answer in steps, each with a label."""
    steps, labels = fields["completions"], fields["labels"]
    if not isinstance(steps, list) or not isinstance(labels, list):
        raise BadExample("examples.steps_not_lists")
    texts, marks = cast(list[Any], steps), cast(list[Any], labels)
    if len(texts) != len(marks) or not all(isinstance(mark, bool) for mark in marks):
        raise BadExample("examples.steps_not_lists")
    pairs = tuple((text_of(text, "completions"), bool(mark)) for text, mark in zip(texts, marks, strict=True))
    return Example("stepwise", tuple(prompt_messages(fields)), steps=pairs)


# -- questions and answers --


def question(fields: Fields) -> Example:
    """A question with its correct answer beside it: `gt`, or verl's reward_model."""
    if "gt" in fields:
        truth = fields["gt"]
        answer = truth[0] if isinstance(truth, list) and truth else truth
        messages = turns_of(fields) if any(name in fields for name in TURNS) else prompt_messages(fields)
        messages = messages[:-1] if messages and messages[-1].role == "assistant" else messages
    else:
        judge = cast(dict[str, Any], fields["reward_model"] if isinstance(fields["reward_model"], dict) else {})
        answer, messages = judge.get("ground_truth"), prompt_messages(fields)
    true = None if answer is None else text_of(answer, "gt")
    return Example("prompt", tuple(messages), answer=true, facts=_facts(fields))


def prompt(fields: Fields) -> Example:
    """A question alone."""
    return Example("prompt", tuple(prompt_messages(fields)), facts=_facts(fields))


def instruction(fields: Fields) -> Example:
    """A question and its answer, with or without a history."""
    return _conversation([*prompt_messages(fields), *answer_messages(fields)], _facts(fields))


def turns(fields: Fields) -> Example:
    """A list of turns. One that ends with a question, or with a blank answer, is a prompt."""
    return _talk(turns_of(fields), _facts(fields))


def _talk(messages: list[Message], facts: dict[str, Any], *notes: str) -> Example:
    if messages and messages[-1].role == "assistant" and not messages[-1].content.strip():
        messages = messages[:-1]
    if messages and messages[-1].role == "user":
        return Example("prompt", tuple(messages), facts=facts, notes=notes)
    return _conversation(messages, facts, *notes)


def _conversation(messages: list[Message], facts: dict[str, Any], *notes: str) -> Example:
    """A worked answer states its result, too: one file serves to learn the answer and to ask the question."""
    result = true_answer(messages[-1].content) if messages else None
    return Example("conversation", tuple(messages), answer=result, facts=facts, notes=notes)


_MOSS_MARK = re.compile(r"^<\|[^|]*\|>:\s*|<eo[a-z]>\s*$")


def moss(fields: Fields) -> Example:
    """{"chat": {"turn_1": {"Human": ..., "MOSS": ...}}}."""
    chat = fields["chat"]
    if not isinstance(chat, dict):
        raise BadExample("examples.no_turns")
    messages: list[Message] = []
    turns_of = cast(dict[str, Any], chat)
    if not all(re.fullmatch(r"turn_\d{1,6}", name) for name in turns_of):
        raise BadExample("examples.no_turns")
    numbered = sorted(turns_of.items(), key=lambda item: int(item[0].rpartition("_")[2]))
    for _, turn in numbered:
        if not isinstance(turn, dict) or not {"Human", "MOSS"} <= turn.keys():
            raise BadExample("examples.no_turns")
        said = cast(dict[str, Any], turn)
        human, answer = (_MOSS_MARK.sub("", text_of(said[name], name).strip()) for name in ("Human", "MOSS"))
        messages += [Message("user", human), Message("assistant", answer)]
    return _conversation(messages, _facts(fields))


def text(fields: Fields) -> Example:
    """Plain text; or a conversation that is laid out as text, with the marks of a chat template."""
    found = text_of(next(fields[name] for name in TEXTS if name in fields), "text")
    if not found.strip():
        raise BadExample("examples.empty_row")
    marked = turns_in(found)
    if marked is None:
        return Example("text", text=found)
    style, messages = marked
    return _talk(messages, _facts(fields), f"marked:{style.name}")


def true_answer(worked: str) -> str | None:
    """The final answer of a worked solution: what follows #### on its last line (GSM8K); None without one."""
    _, mark, answer = worked.rstrip().rpartition("\n")[2].rpartition("####")
    return answer.strip() or None if mark else None


def _facts(fields: Fields) -> dict[str, Any]:
    facts = fields.get("facts")
    return cast(dict[str, Any], facts) if isinstance(facts, dict) else {}


def _has(*names: str) -> Callable[[Fields], bool]:
    return lambda fields: all(name in fields for name in names)


def _any(names: tuple[str, ...]) -> Callable[[Fields], bool]:
    return lambda fields: any(name in fields for name in names)


def _is_ranked(fields: Fields) -> bool:
    output = fields.get("output")
    return isinstance(output, list) and len(cast(list[Any], output)) > 1 and isinstance(output[0], str)


def _is_labelled(fields: Fields) -> bool:
    """A "label" alone does not count: other data sets use it for other properties of an instruction."""
    return "kto_tag" in fields or ("label" in fields and ("completion" in fields or any(n in fields for n in TURNS)))


def _is_answered(fields: Fields) -> bool:
    return question_field(fields) is not None and answer_field(fields) is not None


Conversion = Callable[[Fields], Example | list[Example]]
FORMATS: tuple[tuple[Callable[[Fields], bool], Conversion], ...] = (
    (_has("chosen", "rejected"), preference),
    (_has("completions", "labels"), stepwise),
    (is_scored, scored),
    (_is_ranked, ranked),
    (_is_labelled, unpaired),
    (_any(("gt", "reward_model")), question),
    (_any(TURNS), turns),
    (_has("chat"), moss),
    (_is_answered, instruction),
    (_any(QUESTIONS), prompt),
    (_any(TEXTS), text),
)
"""(test, conversion) of each format; those with the most specific keys come first."""
