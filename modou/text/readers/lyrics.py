"""Lyrics with times (LRC): each line of the song, without its times."""

import re
from collections.abc import Iterator

from modou.text.readers.file import File, Line, Reading, cut_lines

LAYOUT = "lines"

_TIMES = re.compile(r"[\s\ufeff]*(?:\[\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?\]\s*)+")
_EXACT = re.compile(r"\s*\[\d{1,3}:\d{2}\.\d{2,3}\]")
_INNER = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>\s*")
_ABOUT = re.compile(r"[\s\ufeff]*\[[A-Za-z#][\w ]{0,19}:[^\[\]]*\]\s*")
_LEAST = 2


def recognises(file: File) -> bool:
    """By times to the hundredth of a second at the start of most lines, or by the name and a time."""
    found = [line for line in file.head.replace(b"\0", b"").decode("latin-1").splitlines() if line.strip()]
    if file.suffix == ".lrc":
        return any(_TIMES.match(line.removeprefix("\xef\xbb\xbf")) for line in found)
    timed = sum(_EXACT.match(line) is not None for line in found)
    about = sum(_ABOUT.fullmatch(line) is not None for line in found)
    return timed >= _LEAST and 2 * timed >= len(found) - about


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The lines in the order of the file; one that has only a time is blank."""
    with file.text(reading) as stream:
        for line in cut_lines(stream):
            if _ABOUT.fullmatch(line):
                reading.aside("cue_remarks", line)
                continue
            times = _TIMES.match(line)
            sung = line[times.end() :] if times else line
            for stamp in [times.group() if times else "", *_INNER.findall(sung)]:
                reading.aside("cue_times", stamp)
            sung = _INNER.sub("", sung)
            reading.undecoded(sung)
            yield sung
