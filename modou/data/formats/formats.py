"""Published formats of examples, recognised by their keys. Each is a function from a row's fields to an Example."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from modou.data.conversation import Message
from modou.data.formats.example import BadExample, Example
from modou.data.formats.turns import check, messages_of, pairs_of, text_of

Fields = Mapping[str, Any]

QUESTIONS = ("instruction", "question", "query", "input", "prompt")
ANSWERS = ("output", "response", "target", "answer", "completion", "summary")
TURNS = ("messages", "conversations", "conversation")
TEXTS = ("text", "content", "completion")


def read(row: Any) -> Example:
    """Convert a row (an object or a string) to an Example. BadExample: unknown format, or an invalid row."""
    if isinstance(row, str):
        return text({"text": row})
    if not isinstance(row, dict):
        raise BadExample("examples.row_not_object")
    fields = cast(Fields, row)
    if not fields:
        raise BadExample("examples.empty_row")
    for matches, convert in FORMATS:
        if matches(fields):
            return convert(fields)
    raise BadExample("examples.unknown_shape", keys=", ".join(sorted(fields))[:80])


# -- preferences --


def preference(fields: Fields) -> Example:
    """chosen and rejected: answers to a prompt, or whole conversations with a common beginning."""
    chosen, rejected = fields["chosen"], fields["rejected"]
    prompt = prompt_messages({name: value for name, value in fields.items() if name != "messages"} or fields)
    if isinstance(chosen, list) or isinstance(rejected, list):
        better, worse = (messages_of(value if isinstance(value, list) else None) for value in (chosen, rejected))
        shared = 0
        while shared < min(len(better), len(worse)) - 1 and better[shared] == worse[shared]:
            shared += 1
        if len(better) != shared + 1 or len(worse) != shared + 1:
            raise BadExample("examples.not_one_answer")
        # Whole conversations include the question; a field "prompt" beside them only repeats it.
        prompt, answers = better[:shared] or prompt, (better[-1].content, worse[-1].content)
    elif isinstance(chosen, dict) and isinstance(rejected, dict):
        answers = tuple(messages_of([value])[0].content for value in (chosen, rejected))
    else:
        answers = (text_of(chosen, "chosen"), text_of(rejected, "rejected"))
        if not prompt:
            prompt, answers = _shared_dialogue(*answers)
    return _pair(fields, prompt, *answers)


def ranked(fields: Fields) -> Example:
    """An output that is a list: the first answer is better than the second."""
    better, worse = (text_of(value, "output") for value in cast(list[Any], fields["output"])[:2])
    return _pair(fields, prompt_messages(fields), better, worse)


def _pair(fields: Fields, prompt: list[Message], chosen: str, rejected: str) -> Example:
    if not chosen.strip() or not rejected.strip():
        raise BadExample("examples.empty_answer")
    if chosen == rejected:
        raise BadExample("examples.equal_answers")
    group = fields.get("kind")
    group = group if isinstance(group, str) else ""
    return Example("preference", check(prompt, "user"), chosen=chosen, rejected=rejected, group=group)


_SPEAKER = re.compile(r"\n\n(Human|Assistant): ")


def _shared_dialogue(chosen: str, rejected: str) -> tuple[list[Message], tuple[str, str]]:
    """Two dialogues "\\n\\nHuman: ... \\n\\nAssistant: ..." that differ in the last answer."""
    better, worse = _dialogue(chosen), _dialogue(rejected)
    if not better or better[:-1] != worse[:-1]:
        raise BadExample("examples.no_prompt")
    return better[:-1], (better[-1].content, worse[-1].content)


def _dialogue(text: str) -> list[Message]:
    _, *parts = _SPEAKER.split(text)
    speakers = zip(parts[::2], parts[1::2], strict=True)
    return [Message("user" if who == "Human" else "assistant", said) for who, said in speakers]


# -- labelled answers --


def unpaired(fields: Fields) -> Example:
    """An answer with a label: good or not."""
    label = fields["label"] if "label" in fields else fields["kto_tag"]
    if not isinstance(label, bool):
        raise BadExample("examples.label_not_bool")
    in_turns = any(name in fields for name in TURNS)
    messages = _turns(fields) if in_turns else [*prompt_messages(fields), *_answer(fields)]
    return Example("unpaired", check(messages, "assistant"), label=label)


def stepwise(fields: Fields) -> Example:
    """An answer in steps, each with a label."""
    steps, labels = fields["completions"], fields["labels"]
    if not isinstance(steps, list) or not isinstance(labels, list):
        raise BadExample("examples.steps_not_lists")
    texts, marks = cast(list[Any], steps), cast(list[Any], labels)
    if len(texts) != len(marks) or not all(isinstance(mark, bool) for mark in marks):
        raise BadExample("examples.steps_not_lists")
    pairs = tuple((text_of(text, "completions"), bool(mark)) for text, mark in zip(texts, marks, strict=True))
    return Example("stepwise", check(prompt_messages(fields), "user"), steps=pairs)


# -- questions and answers --


def question(fields: Fields) -> Example:
    """A question with its correct answer: `gt`, `answer` after ####, or verl's reward_model."""
    if "gt" in fields:
        truth = fields["gt"]
        answer = truth[0] if isinstance(truth, list) and truth else truth
        messages = _without_answer(_turns(fields) if any(name in fields for name in TURNS) else prompt_messages(fields))
    elif "reward_model" in fields:
        judge = cast(dict[str, Any], fields["reward_model"] if isinstance(fields["reward_model"], dict) else {})
        answer, messages = judge.get("ground_truth"), prompt_messages(fields)
    else:
        answer, messages = true_answer(str(fields["answer"])), prompt_messages(fields)
    true = None if answer is None else text_of(answer, "gt")
    return Example("prompt", check(messages, "user"), answer=true, facts=_facts(fields))


def prompt(fields: Fields) -> Example:
    """A question alone."""
    return Example("prompt", check(prompt_messages(fields), "user"), facts=_facts(fields))


def instruction(fields: Fields) -> Example:
    """A question and its answer, with or without a history."""
    messages = check([*prompt_messages(fields), *_answer(fields)], "assistant")
    return Example("conversation", messages, facts=_facts(fields))


def turns(fields: Fields) -> Example:
    """A list of turns. One that ends with a question, or with an answer left blank, is a prompt."""
    messages = _turns(fields)
    if messages and messages[-1].role == "assistant" and messages[-1].content.strip() in ("", "无"):
        messages = messages[:-1]
    if messages and messages[-1].role == "user":
        return Example("prompt", check(messages, "user"), facts=_facts(fields))
    return Example("conversation", check(messages, "assistant"), facts=_facts(fields))


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
    return Example("conversation", check(messages, "assistant"))


def text(fields: Fields) -> Example:
    """Plain text."""
    found = text_of(next(fields[name] for name in TEXTS if name in fields), "text")
    if not found.strip():
        raise BadExample("examples.empty_row")
    return Example("text", text=found)


# -- parts --


def question_field(fields: Fields) -> str | None:
    """The name of the field that holds the question: "content" if there is a "summary", which then is the answer."""
    if "content" in fields and "summary" in fields:
        return "content"
    return next((name for name in QUESTIONS if name in fields), None)


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


def true_answer(worked: str) -> str | None:
    """The final answer of a worked solution: what follows #### on its last line (GSM8K); None without one."""
    _, mark, answer = worked.rstrip().rpartition("\n")[2].rpartition("####")
    return answer.strip() or None if mark else None


def _facts(fields: Fields) -> dict[str, Any]:
    facts = fields.get("facts")
    return cast(dict[str, Any], facts) if isinstance(facts, dict) else {}


def _answer(fields: Fields) -> list[Message]:
    asked = question_field(fields)
    name = next((name for name in ANSWERS if name in fields and name != asked), None)
    if name is None:
        raise BadExample("examples.no_answer")
    if isinstance(fields[name], list):
        return messages_of(fields[name])
    return [Message("assistant", text_of(fields[name], name))]


def _turns(fields: Fields) -> list[Message]:
    found = messages_of(next(fields[name] for name in TURNS if name in fields))
    system = text_of(fields.get("system"), "system").strip()
    tools = fields.get("tools")
    if tools:
        listed = tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False)
        system = "\n".join(part for part in (system, listed) if part)
    if system and found[0].role == "system":
        return [Message("system", f"{found[0].content}\n{system}"), *found[1:]]
    return [Message("system", system), *found] if system else found


def _without_answer(messages: list[Message]) -> list[Message]:
    return messages[:-1] if messages and messages[-1].role == "assistant" else messages


def _has(*names: str) -> Callable[[Fields], bool]:
    return lambda fields: all(name in fields for name in names)


def _any(names: tuple[str, ...]) -> Callable[[Fields], bool]:
    return lambda fields: any(name in fields for name in names)


def _is_ranked(fields: Fields) -> bool:
    output = fields.get("output")
    return isinstance(output, list) and len(cast(list[Any], output)) > 1 and isinstance(output[0], str)


def _is_checked(fields: Fields) -> bool:
    answered = "question" in fields and true_answer(str(fields.get("answer", ""))) is not None
    return "gt" in fields or "reward_model" in fields or answered


def _is_labelled(fields: Fields) -> bool:
    """A "label" alone does not count: other data sets use it for other properties of an instruction."""
    return "kto_tag" in fields or ("label" in fields and ("completion" in fields or any(n in fields for n in TURNS)))


def _is_answered(fields: Fields) -> bool:
    asked = question_field(fields)
    return asked is not None and any(name in fields and name != asked for name in ANSWERS)


FORMATS: tuple[tuple[Callable[[Fields], bool], Callable[[Fields], Example]], ...] = (
    (_has("chosen", "rejected"), preference),
    (_has("completions", "labels"), stepwise),
    (_is_ranked, ranked),
    (_is_labelled, unpaired),
    (_is_checked, question),
    (_any(TURNS), turns),
    (_has("chat"), moss),
    (_is_answered, instruction),
    (_any(QUESTIONS), prompt),
    (_any(TEXTS), text),
)
"""(test, conversion) of each format; those with the most specific keys come first."""
