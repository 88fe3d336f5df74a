"""Examples of what cleaning changes: a short stretch of text before and after, with everything made visible."""

import re
from dataclasses import dataclass

MOST = 5
"""Examples kept for each rule."""
_LONGEST = 80
"""Characters of a stretch that are shown."""
_CONTEXT = 10
"""Characters before and after a change that are shown with it."""
_SPACES = re.compile(r"^ +| +$|  +", re.MULTILINE)
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Example:
    """A stretch of the text before and after a change. In both "␣" stands for a space at an end or in a row, "⏎" for a
    line end, [U+200B] for another invisible character, "…" for what was left out."""

    before: str
    """As it was."""
    after: str
    """As it is now; empty where a line was removed whole."""


def shown(text: str) -> str:
    """The head of a text with everything in it visible; unchanged if that was done before."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    spaced = _SPACES.sub(lambda found: "␣" * len(found.group()), cut)
    seen = "".join(char if char.isprintable() else "⏎" if char == "\n" else f"[U+{ord(char):04X}]" for char in spaced)
    return seen if len(seen) <= 2 * _LONGEST else f"{seen[: 2 * _LONGEST]}…"


def around(text: str, start: int, end: int, after: str = "") -> tuple[str, str]:
    """The place of a text that changes from text[start:end] to `after`, with its context, before and after."""
    left, right = text[max(0, start - _CONTEXT) : start].lstrip(" "), text[end : end + _CONTEXT].rstrip(" ")
    return f"{left}{text[start:end]}{right}", f"{left}{after}{right}"


def kind(before: str) -> str:
    """What a removed line has in common with those that differ from it in numbers alone."""
    return _NUMBER.sub("0", before[:_LONGEST])


def common(before: str, after: str) -> tuple[int, int]:
    """How many characters at the head and at the tail both sides of an example share."""
    head = _alike(before, after)
    return head, _alike(before[head:][::-1], after[head:][::-1])


def _alike(first: str, second: str) -> int:
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)
