"""Remove private-use characters, which mean nothing without the font they were made for."""

import re

from modou.text.report import RuleReport

_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")


def apply(sentence: str, tally: RuleReport) -> str:
    """The sentence without private-use characters."""
    if sentence.isprintable():
        return sentence
    for char in _PRIVATE.findall(sentence):
        code = f"U+{ord(char):04X}"
        tally.kinds[code] += 1
        at = sentence.index(char)
        tally.touch(char, example=sentence[max(0, at - 6) : at + 7].replace(char, f"[{code}]"))
    return _PRIVATE.sub("", sentence)
