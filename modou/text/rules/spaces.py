"""Normalise white space."""

import re

from modou.text.examples import around
from modou.text.report import RuleReport

# A run of white space that is not exactly one plain space.
_WIDE = re.compile(r"[^\S ]\s*| {2,}| [^\S ]\s*")


def apply(sentence: str, tally: RuleReport) -> str:
    """A stripped sentence in which each run of white space is one space."""
    after = " ".join(sentence.split())
    if after != sentence:
        tally.touch("", example=None if tally.has_examples else _example(sentence, sentence.strip()))
        tally.characters += len(sentence) - len(after) or 1
    return after


def _example(sentence: str, stripped: str) -> tuple[str, str]:
    if found := _WIDE.search(stripped):
        return around(stripped, *found.span(), " ")
    head, tail = sentence[:20], sentence[-20:]
    return (head, head.lstrip()) if head != head.lstrip() else (tail, tail.rstrip())
