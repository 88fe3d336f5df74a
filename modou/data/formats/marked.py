"""Conversations that were already laid out as text, with the marks of a chat template, split into messages."""

import re
from dataclasses import dataclass

from modou.data.conversation import Message, Role
from modou.data.formats.example import BadExample
from modou.data.formats.turns import ROLES


@dataclass(frozen=True)
class Style:
    """One way to mark turns. `marks` begins a turn; its one group is the name of the side."""

    name: str
    marks: re.Pattern[str]
    special: bool = True
    """Whether the marks mean nothing else. Plain words ("Human:") count only where both sides have spoken."""


_SIDES = "human|user|assistant|gpt|chatgpt|bot|ai|system|用户|助手"
_TASKS = "instruction|question|response|answer"
STYLES = (
    Style("ChatML", re.compile(r"<\|im_start\|>[ \t]*(\w+)[ \t]*\n?")),
    Style("Llama 3", re.compile(r"<\|(?:start_header_id|header_start)\|>(\w+)<\|(?:end_header_id|header_end)\|>")),
    Style("Gemma", re.compile(r"<start_of_turn>[ \t]*(\w+)[ \t]*\n?")),
    Style("[INST]", re.compile(r"\[(/?INST|/?SYSTEM_PROMPT)\]")),
    Style("<|user|>", re.compile(r"<\|(system|user|assistant|observation|tool)\|>")),
    Style("<｜User｜>", re.compile(r"<｜(User|Assistant)｜>")),
    Style("###", re.compile(rf"(?<!#)###[ \t]*({_SIDES}|{_TASKS})[ \t]*[:：]", re.I), special=False),
    Style("Human:", re.compile(rf"^[ \t]*({_SIDES}|问|答)[ \t]*[:：]", re.I | re.M), special=False),
    Style("USER:", re.compile(r"\b(USER|ASSISTANT):"), special=False),
)
"""Tried in this order."""
SIDES: dict[str, Role] = {
    **ROLES,
    "ai": "assistant",
    "instruction": "user",
    "question": "user",
    "answer": "assistant",
    "response": "assistant",
    "inst": "user",
    "/inst": "assistant",
    "system_prompt": "system",
    "/system_prompt": "user",
}
_INPUT = re.compile(r"(?<!#)###[ \t]*input[ \t]*[:：]", re.I)
"""Alpaca's mark inside the user's turn."""
_ENDS = re.compile(
    r"<\|im_end\|>|<\|eot_id\|>|<\|eot\|>|<end_of_turn>|<\|end\|>|<｜end▁of▁sentence｜>|<｜begin▁of▁sentence｜>"
    r"|<\|endoftext\|>|<\|begin_of_text\|>|<\|end_of_text\|>|<bos>|<eos>|</?s>"
)
"""Marks that end a turn or begin or end a text."""


def turns_in(text: str) -> tuple[Style, list[Message]] | None:
    """The turns of a text with the marks of a known style; None where there are none. What precedes the first turn is
    a system message. BadExample: such marks, but a side that is not known."""
    for style in STYLES:
        head, *parts = style.marks.split(text)
        names = [name.lower() for name in parts[::2]]
        if not names or not (style.special or {"user", "assistant"} <= {SIDES[name] for name in names}):
            continue
        found = [Message("system", bare(head))] if bare(head) else []
        for name, said in zip(names, parts[1::2], strict=True):
            side = SIDES.get(name)
            if side is None:
                raise BadExample("examples.marked_role", style=style.name, role=name)
            said = "\n".join(bare(part) for part in _INPUT.split(said)) if style.name == "###" else bare(said)
            if said or name != "/system_prompt":
                found.append(Message(side, said))
        return style, _without_sys(found)
    return None


def bare(text: str) -> str:
    """The text without marks of beginning and end, and white space, around it."""
    marks = list(_ENDS.finditer(text))
    start, end = 0, len(text)
    for mark in marks:
        if text[start : mark.start()].strip():
            break
        start = mark.end()
    for mark in reversed(marks):
        if mark.start() < start or text[mark.end() : end].strip():
            break
        end = mark.start()
    return text[start:end].strip()


def _without_sys(messages: list[Message]) -> list[Message]:
    """Llama 2 puts the system message into the first question, between <<SYS>> and <</SYS>>."""
    said = messages[0].content if messages else ""
    before, opened, rest = said.partition("<<SYS>>")
    system, closed, question = rest.partition("<</SYS>>")
    if not (opened and closed) or before.strip():
        return messages
    return [Message("system", system.strip()), Message("user", question.strip()), *messages[1:]]
