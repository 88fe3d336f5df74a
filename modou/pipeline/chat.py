"""`modou data chat`: an exported chat as conversations, in which one of its speakers is the assistant."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modou import storage
from modou.data.conversation import Role
from modou.messages import UserError
from modou.text.readers import chat
from modou.text.readers.book import read_book
from modou.text.readers.chat_lines import ChatMessage, is_labelled
from modou.text.readers.file import File, Reading

LONGEST = 2000
"""Characters; a longer conversation is divided before a question."""


@dataclass(frozen=True)
class ChatFacts:
    """A chat, and the conversations made of it."""

    file: str
    """Its path."""
    speakers: dict[str, int]
    """Number of messages of each speaker, the most first."""
    bad: int
    """Rows that cannot be used."""
    complaints: list[str]
    """The first of their errors, each as "file:line: reason"."""
    out: str | None = None
    """The file written; this and the next are absent where nobody was named."""
    me: str | None = None
    """The speaker who is the assistant."""
    conversations: int = 0
    """Conversations written."""
    turns: int = 0
    """Their turns."""
    left_out: int = 0
    """Conversations left out, in which either side said nothing, or only the assistant, then only others."""
    left_out_messages: int = 0
    """Messages left out: of those conversations, before the first question and after the last answer."""


@dataclass
class _Turn:
    role: Role
    texts: list[str] = field(default_factory=list[str])


def convert(path: Path, me: str | None = None, out: Path | None = None) -> ChatFacts:
    """Write the conversations of a chat as JSON Lines, beside it unless `out` is given; without `me` only count.

    UserError: no such file, no chat, no such speaker, no conversation of both sides, `out` exists.
    """
    files = [file for file in read_book(path).files if chat.recognises(file) or is_labelled(file.opening)]
    readings = [Reading("chat") for _ in files]
    speakers = Counter(message.speaker for message in _messages(files, readings))
    if not speakers:
        raise UserError("examples.no_chat", path=path)
    facts = ChatFacts(
        str(path),
        dict(speakers.most_common()),
        sum(reading.bad_rows for reading in readings),
        [complaint for reading in readings for complaint in reading.complaints],
    )
    if me is None:
        return facts
    if me not in speakers:
        names = ", ".join(name for name, _ in speakers.most_common(8))
        raise UserError("examples.no_such_speaker", path=path, name=me, names=names)
    out = out or path.with_name(f"{path.name.split('.')[0] or path.name}.chat.jsonl")
    if out.exists():
        raise UserError("cli.file_exists", path=out)
    found = conversations(_messages(files, readings), me, group=len(speakers) > 2)
    return _write(facts, me, out, found)


def conversations(messages: Iterable[ChatMessage], me: str, group: bool) -> Iterator[list[_Turn]]:
    """The turns of each conversation: several messages of one side are one turn. `group`: the others are named."""
    turns: list[_Turn] = []
    last: ChatMessage | None = None
    size = 0
    for message in messages:
        role: Role = "assistant" if message.speaker == me else "user"
        long = size > LONGEST and role == "user" and turns[-1].role == "assistant"
        if last is not None and (long or chat.is_later(last, message)):
            yield turns
            turns, size = [], 0
        if not turns or turns[-1].role != role:
            turns.append(_Turn(role))
        turns[-1].texts.append(chat.spoken(message) if group and role == "user" else message.text)
        last, size = message, size + len(message.text)
    if turns:
        yield turns


def _messages(files: list[File], readings: list[Reading]) -> Iterator[ChatMessage]:
    for file, reading in zip(files, readings, strict=True):
        reading.begin()
        yield from chat.messages(file, reading)


def _write(facts: ChatFacts, me: str, out: Path, found: Iterable[list[_Turn]]) -> ChatFacts:
    rows: list[str] = []
    turns = left_out = messages = 0
    for whole in found:
        kept = _answered(whole)
        messages += sum(len(turn.texts) for turn in whole) - sum(len(turn.texts) for turn in kept)
        left_out += not kept
        turns += len(kept)
        if kept:
            said = [{"role": turn.role, "content": "\n".join(turn.texts)} for turn in kept]
            rows.append(storage.json_line({"messages": said}) + "\n")
    if not rows:
        raise UserError("examples.no_two_sides", path=facts.file, name=me)
    with storage.user_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    storage.write_text_atomically(out, "".join(rows))
    return ChatFacts(
        facts.file, facts.speakers, facts.bad, facts.complaints, str(out), me, len(rows), turns, left_out, messages
    )


def _answered(turns: list[_Turn]) -> list[_Turn]:
    """The turns from the first question to the last answer."""
    roles = [turn.role for turn in turns]
    first = next((at for at, role in enumerate(roles) if role == "user"), len(roles))
    last = next((at for at in range(len(roles) - 1, first, -1) if roles[at] == "assistant"), first - 1)
    return turns[first : last + 1]
