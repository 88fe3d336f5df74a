"""Remove control sequences of terminals, control characters and other invisible characters."""

import re
from collections.abc import Iterable, Iterator

from modou.text.examples import around
from modou.text.headings import Heading
from modou.text.readers.file import Line
from modou.text.report import RuleReport

# ECMA-48: CSI … final byte, OSC … BEL or ST, and the short sequences that choose a character set or save the cursor.
# The one-byte CSI U+009B may also be a quote read in a wrong encoding, thus only with parameters.
_SEQUENCE = (
    "\x1b\\[[0-?]*[ -/]*[@-~]|\x9b[0-?]+[ -/]*[@-~]|\x9b[mK](?![a-z])|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)"
    "|\x1b[()*+][0-9A-Z]|\x1b[=>78]"
)
# Control characters except tab; soft hyphens; direction marks, which change nothing but the order on the screen;
# byte-order marks.
_CHARACTER = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
# A zero-width space is the boundary of words where letters of Thai, Lao, Khmer, Burmese and their kin surround it.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1980-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
_BOUNDARY = f"(?<=[{_SPACELESS}])\u200b(?=\u200b*[{_SPACELESS}])"
_UNSEEN = re.compile(f"(?P<boundary>{_BOUNDARY})|{_SEQUENCE}|{_CHARACTER}|\u200b")
_HINT = re.compile(f"{_CHARACTER}|[\u200b\u2028\u2029]")
_LINE_END = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SOFT_HYPHEN = "\u00ad"


def apply(lines: Iterable[Line], tally: RuleReport) -> Iterator[Line]:
    """Lines without invisible characters; form feeds and Unicode line separators end a line."""
    broken = ""
    for line in lines:
        if isinstance(line, Heading):
            if broken:
                yield broken
                broken = ""
            yield line
            continue
        if not broken and (line.isprintable() or not _HINT.search(line)):
            yield line
            continue
        for part in _LINE_END.split(line):
            if broken:
                word, _, rest = part.lstrip().partition(" ")
                yield broken + _seen(word, tally)
                broken = ""
                if word and not rest:
                    continue
                part = rest
            text = _seen(part, tally)
            if part.rstrip().endswith(_SOFT_HYPHEN):
                broken = text.rstrip()
            else:
                yield text
    if broken:
        yield broken


def _seen(text: str, tally: RuleReport) -> str:
    """The text without what is invisible."""

    def kept(found: re.Match[str]) -> str:
        unseen = found.group()
        if found["boundary"]:
            return unseen
        tally.touch(unseen, example=around(text, *found.span()))
        return ""

    return _UNSEEN.sub(kept, text)
