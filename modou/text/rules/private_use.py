"""Remove private-use characters, which mean nothing without the font they were made for."""

import re

from modou.text.examples import around
from modou.text.report import RuleReport

_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")


def apply(sentence: str, tally: RuleReport) -> str:
    """The sentence without private-use characters."""
    if sentence.isprintable():
        return sentence
    for found in _PRIVATE.finditer(sentence):
        tally.kinds[f"U+{ord(found.group()):04X}"] += 1
        tally.touch(found.group(), example=around(sentence, *found.span()))
    return _PRIVATE.sub("", sentence)
