"""Normalise white space."""

import re

from modou.text.report import RuleReport

# A run of white space that is not exactly one plain space.
_WIDE = re.compile(r"[^\S ]\s*| {2,}| [^\S ]\s*")


def apply(sentence: str, tally: RuleReport) -> str:
    """A stripped sentence in which each run of white space is one space."""
    after = " ".join(sentence.split())
    if after != sentence:
        tally.touch("", times=1, example=None if tally.has_examples else _example(sentence, sentence.strip()))
        tally.characters += len(sentence) - len(after) or 1
    return after


def _example(sentence: str, stripped: str) -> str:
    found = _WIDE.search(stripped)
    return _shown(stripped[max(0, found.start() - 8) : found.end() + 8] if found else sentence)


def _shown(text: str) -> str:
    """At most 40 characters with white space made visible: ␣ for a space, else the code point."""
    shown = text if len(text) <= 40 else f"{text[:20]}…{text[-19:]}"
    return "".join("␣" if c == " " else f"[U+{ord(c):04X}]" if c.isspace() else c for c in shown)
