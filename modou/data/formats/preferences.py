"""Formats of preferences: a better and a worse answer to one question, or answers in their order of merit."""

from collections.abc import Sequence
from typing import Any, cast

from modou.data.conversation import Message
from modou.data.formats.example import BadExample, Example
from modou.data.formats.marked import turns_in
from modou.data.formats.parts import Fields, prompt_messages
from modou.data.formats.turns import in_order, messages_of, text_of

LISTS = ("responses", "answers", "outputs", "completions", "candidates")
SCORES = ("scores", "ratings", "rewards", "score", "rating", "reward", "overall_score")
RANKS = ("rankings", "ranks", "ranking", "rank")
TEXTS = ("response", "answer", "output", "completion", "text", "content")
Answers = tuple[list[Message], str, str]
"""A prompt, a better and a worse answer."""


def preference(fields: Fields) -> list[Example]:
    """chosen and rejected: answers to a prompt, or whole conversations with a common beginning, or lists of these."""
    prompt = prompt_messages({name: value for name, value in fields.items() if name != "messages"})
    if not prompt and isinstance(fields.get("messages"), list):  # with the chosen answer, or without
        messages = messages_of(fields["messages"])
        prompt = messages[:-1] if messages[-1].role == "assistant" else messages
    better, worse = (_several(fields[name]) for name in ("chosen", "rejected"))
    return _pairs(fields, [_answers(prompt, chosen, rejected) for chosen in better for rejected in worse])


def _several(value: Any) -> list[Any]:
    """The answers of a field: a list of texts, of conversations, or of messages of the assistant alone, is several."""
    if not isinstance(value, list) or len(cast(list[Any], value)) < 1:
        return [value]
    items = cast(list[Any], value)
    if all(isinstance(item, str) for item in items) or all(isinstance(item, list) for item in items):
        return items
    alone = len(items) > 1 and all(isinstance(item, dict) for item in items)
    return items if alone and all(message.role == "assistant" for message in messages_of(items)) else [value]


def _answers(prompt: list[Message], chosen: Any, rejected: Any) -> Answers:
    if isinstance(chosen, list) or isinstance(rejected, list):
        better, worse = (in_order(messages_of(_listed(value)))[0] for value in (chosen, rejected))
        shared = 0
        while shared < min(len(better), len(worse)) - 1 and better[shared] == worse[shared]:
            shared += 1
        if len(better) != shared + 1 or len(worse) != shared + 1:
            raise BadExample("examples.not_one_answer")
        # Whole conversations include the question; a field "prompt" beside them only repeats it.
        return list(better[:shared]) or prompt, better[-1].content, worse[-1].content
    if isinstance(chosen, dict) and isinstance(rejected, dict):
        good, bad = (messages_of([value])[0].content for value in (chosen, rejected))
    else:
        good, bad = text_of(chosen, "chosen"), text_of(rejected, "rejected")
    return (prompt, good, bad) if prompt else _shared_dialogue(good, bad)


def _listed(answer: Any) -> Any:
    if isinstance(answer, list):
        return cast(list[Any], answer)
    return [answer if isinstance(answer, dict) else {"role": "assistant", "content": answer}]


def _shared_dialogue(chosen: str, rejected: str) -> Answers:
    """Two dialogues laid out as text ("\\n\\nHuman: … \\n\\nAssistant: …") that differ in the last answer."""
    better, worse = (found[1] if (found := turns_in(text)) else [] for text in (chosen, rejected))
    if not better or better[:-1] != worse[:-1]:
        raise BadExample("examples.no_prompt")
    return better[:-1], better[-1].content, worse[-1].content


def ranked(fields: Fields) -> list[Example]:
    """An output that is a list of texts, best first: the best is better than each of the others."""
    best, *others = cast(list[Any], fields["output"])
    prompt = prompt_messages({name: value for name, value in fields.items() if name != "output"})
    return _pairs(fields, [(prompt, text_of(best, "output"), text_of(other, "output")) for other in others])


def scored(fields: Fields) -> list[Example]:
    """Answers with scores (more is better) or ranks (less is better): the best is better than each that is below it."""
    name, texts, merits = _merits(fields)
    best = max(range(len(texts)), key=merits.__getitem__)
    prompt = prompt_messages({key: value for key, value in fields.items() if key != name})
    below = [text for text, merit in zip(texts, merits, strict=True) if merit < merits[best]]
    if not below:
        raise BadExample("examples.equal_scores")
    return _pairs(fields, [(prompt, texts[best], text) for text in below])


def is_scored(fields: Fields) -> bool:
    """Whether a row has a list of answers, and scores or ranks beside them or in them."""
    value = next((fields[name] for name in LISTS if isinstance(fields.get(name), list)), None)
    if not value:
        return False
    first = cast(list[Any], value)[0]
    return any(name in (first if isinstance(first, dict) else fields) for name in (*SCORES, *RANKS))


def _merits(fields: Fields) -> tuple[str, list[str], list[float]]:
    """The field of the answers, their texts, and a number for each, greater for a better one."""
    name = next(name for name in LISTS if isinstance(fields.get(name), list))
    items = cast(list[Any], fields[name])
    inside = isinstance(items[0], dict)
    if inside and not all(isinstance(item, dict) for item in items):
        raise BadExample("examples.bad_scores")
    key = next(key for key in (*SCORES, *RANKS) if key in (items[0] if inside else fields))
    given: Any = [item.get(key) for item in items] if inside else fields[key]
    if not isinstance(given, list) or len(cast(list[Any], given)) != len(items):
        raise BadExample("examples.bad_scores")
    try:
        numbers = [float(number) for number in cast(list[Any], given)]
    except (TypeError, ValueError):
        raise BadExample("examples.bad_scores") from None
    said = [next((item[field] for field in TEXTS if field in item), None) if inside else item for item in items]
    return name, [text_of(one, name) for one in said], [-one if key in RANKS else one for one in numbers]


def _pairs(fields: Fields, found: Sequence[Answers]) -> list[Example]:
    """A preference of every two answers that are neither blank nor equal. BadExample: there are none."""
    good = [one for one in found if one[1].strip() and one[2].strip() and one[1] != one[2]]
    if not good:
        blank = any(not chosen.strip() or not rejected.strip() for _, chosen, rejected in found)
        raise BadExample("examples.empty_answer" if blank else "examples.equal_answers")
    group = fields.get("kind")
    group = group if isinstance(group, str) else ""
    notes = ("examples.note_no_pair",) * (len(found) - len(good))
    return [
        Example("preference", tuple(prompt), chosen=chosen, rejected=rejected, group=group, notes=notes)
        for prompt, chosen, rejected in good
    ]
