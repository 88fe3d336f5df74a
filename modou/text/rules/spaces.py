"""Removes control and other invisible characters; normalises white space."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from modou.text.report import RuleReport

# Control characters except tab; soft hyphen, zero-width and direction marks, byte-order marks.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\ufeff]")
# A run of white space that is not exactly one plain space.
_WIDE = re.compile(r"[^\S ]\s*| {2,}| [^\S ]\s*")


def drop_unseen(lines: Iterable[str], tally: RuleReport) -> Iterator[str]:
    """Lines without invisible characters; form feeds and Unicode line separators end a line."""
    for line in lines:
        if not _UNSEEN.search(line) and "\u2028" not in line and "\u2029" not in line:
            yield line
            continue
        for part in re.split("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", line):
            found = _UNSEEN.findall(part)
            if found:
                names = " ".join(f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip() for char in found[:3])
                tally.touch("".join(found), times=len(found), example=names)
            yield _UNSEEN.sub("", part)


def tidy(sentence: str, tally: RuleReport) -> str:
    """A stripped sentence in which each run of white space is one space."""
    stripped = sentence.strip()
    after = _WIDE.sub(" ", stripped) if _WIDE.search(stripped) else stripped
    if after != sentence:
        found = _WIDE.search(stripped)
        near = stripped[max(0, found.start() - 8) : found.end() + 8] if found else sentence
        tally.touch("", times=1, example=visible_spaces(near))
        tally.characters += len(sentence) - len(after) or 1
    return after


def visible_spaces(text: str) -> str:
    """At most 40 characters with white space made visible: ␣ for a space, else the code point."""
    shown = text if len(text) <= 40 else f"{text[:20]}…{text[-19:]}"
    return "".join("␣" if c == " " else f"[U+{ord(c):04X}]" if c.isspace() else c for c in shown)
