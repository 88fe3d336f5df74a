"""Subtitles (SubRip, WebVTT, SubStation Alpha): only what is said, as paragraphs that end at a pause."""

import heapq
import html
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from modou.text.readers.file import File, Line, Reading, cut_lines
from modou.text.sentences import joint

LAYOUT = "prose"
SUFFIXES = (".srt", ".vtt", ".ass", ".ssa")

_STAMP = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,:](\d{1,3})"
_TIMES = re.compile(rf"[\s\ufeff]*{_STAMP}[ \t]*--?>[ \t]*{_STAMP}(?!\d)")
_COUNTER = re.compile(r"[\s\ufeff]*\d{1,7}\s*")
_OPENING = 4
"""Lines, blank ones aside, within which a file that is not named as subtitles has its first time line."""
_TAG = re.compile(r"<rt>[^<]*</rt>|</?(?:[A-Za-z][^<>]*|[\d:.]+)?>|\{\\[^{}]*\}")
_SECTION = re.compile(r"\s*(?:;[^\r\n]*[\r\n]\s*)*\[(?:Script Info|V4\+? Styles|Events)\]", re.IGNORECASE)
_OVERRIDE = re.compile(r"\{[^{}]*\}")
_DRAWING = re.compile(r"\\p[1-9]")
_BREAK = re.compile(r"\\[Nn]")
_SOUND = re.compile(r"\[[^\[\]]*\]|【[^【】]*】|［[^［］]*］|[♪♫#\s]+")
_DASH = re.compile(r"[-–—‐]\s*(?=[^\W\d_]|[\"“«¿¡「『♪])")
_STOP = re.compile(r"[.。।॥።։۔][”’」』】）\"')\]»]*$")
_COMMAS = ",，、،;；:："
_REMARK = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t]|$)")
_ASS_TIME = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2})[.:,](\d{1,3})")
_WIDE = re.compile("[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_PAUSE = 3.0
"""Seconds without a subtitle that end a paragraph."""
_SAME = 0.05
"""Seconds within which a subtitle follows another one without a gap."""
_SAMPLE = 300
"""Subtitles by which it is decided whether sentences end in full stops."""
_PARAGRAPH, _LONGEST = 500, 10_000
"""Characters of a paragraph that ends at the next full stop, and at most."""
_GROUP = 1 << 20
"""Characters between two time lines that are looked at together, at most."""
_ROLLING, _FIELDS = 8, 40
_SORTED = 20_000
"""Events of SubStation Alpha, which need not be in order, that are held to put them in order."""


@dataclass(frozen=True, order=True)
class _Cue:
    """One subtitle. Times in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def recognises(file: File) -> bool:
    """By time lines, a WebVTT signature or the sections of SubStation Alpha, in any encoding whose ASCII is ASCII."""
    head = _ascii(file.head)
    if _is_vtt(head) or _is_ass(head):
        return True
    found = [line for line in head.splitlines() if line.strip()]
    if file.suffix not in SUFFIXES:
        found = found[:_OPENING]
    return any(_TIMES.match(line) for line in found)


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The paragraphs, with blank lines between them, so that none are joined."""
    head = _ascii(file.head)
    with file.text(reading) as stream:
        if _is_ass(head):
            cues = _in_order(_events(cut_lines(stream), reading))
        else:
            cues = _cues(cut_lines(stream), reading, vtt=_is_vtt(head))
        for paragraph in _paragraphs(_said(cues, reading)):
            reading.undecoded(paragraph)
            yield paragraph
            yield ""


def _ascii(head: bytes) -> str:
    """The text as far as it is ASCII, without byte-order mark."""
    return re.sub(rb"^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)", b"", head).replace(b"\0", b"").decode("latin-1")


def _is_vtt(head: str) -> bool:
    return re.match(r"WEBVTT(?:[ \t].*)?(?:[\r\n]|$)", head) is not None


def _is_ass(head: str) -> bool:
    return (
        re.match(r"\s*(?:;[^\r\n]*[\r\n]\s*)*\[(?:Script Info|V4\+? Styles|Events)\]", head, re.IGNORECASE) is not None
    )


def _cues(lines: Iterable[str], reading: Reading, *, vtt: bool) -> Iterator[_Cue]:
    """The subtitles of SubRip or WebVTT: what stands between two time lines, but for the next counter or name."""
    times: tuple[float, float] | None = None
    group, size = list[str](), 0
    for line in chain(lines, [None]):
        found = _TIMES.match(line) if line is not None else None
        if line is not None and not found and size < _GROUP:
            group.append(line)
            size += len(line) + 1
            continue
        rest = [line] if line is not None and not found else []
        if found and (name := _name(group, vtt=vtt)):
            reading.aside("cue_times", name)
        said = tuple(_without_remarks(group, reading, vtt=vtt, before=times is None))
        if times:
            yield _Cue(*times, said)
        if found:
            reading.aside("cue_times", found.string)
            stamps = found.groups()
            times = (_seconds(*stamps[:4]), _seconds(*stamps[4:]))
        group, size = rest, sum(map(len, rest))


def _name(group: list[str], *, vtt: bool) -> str:
    """Take the counter or name of the next subtitle off the end of the lines before its times; "" if it has none."""
    place = len(group) - 1
    while not vtt and place > 0 and not group[place].strip():
        place -= 1
    if place < 0:
        return ""
    first = place == 0 or not group[place - 1].strip()
    if _COUNTER.fullmatch(group[place]) if not vtt else first and not group[place].startswith("WEBVTT"):
        name = group[place]
        del group[place:]
        return name
    return ""


def _without_remarks(group: list[str], reading: Reading, *, vtt: bool, before: bool) -> Iterator[str]:
    """The lines that are said: not those before the first subtitle, nor blocks of notes and styles."""
    remark = before
    for place, line in enumerate(group):
        if not before and (place == 0 or not group[place - 1].strip()):
            remark = vtt and _REMARK.match(line) is not None
        if remark or not line.strip():
            reading.aside("cue_remarks", line)
            continue
        for tag in _TAG.findall(line):
            reading.aside("cue_tags", tag)
        yield " ".join(html.unescape(_TAG.sub("", line)).split())


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _events(lines: Iterable[str], reading: Reading) -> Iterator[_Cue]:
    """The dialogue of SubStation Alpha, whose Format line names the fields; the text is the last one."""
    fields = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
    for line in lines:
        kind, colon, rest = line.partition(":")
        kind = kind.strip().lower()
        if kind == "format" and "text" in rest.lower():
            fields = tuple(field.strip().lower() for field in rest.split(",", _FIELDS))
        values = rest.split(",", len(fields) - 1)
        event = dict(zip(fields, values, strict=False))
        times = [_ASS_TIME.fullmatch(event.get(name, "").strip()) for name in ("start", "end")]
        if kind != "dialogue" or "text" not in event or not times[0] or not times[1]:
            reading.aside("cue_remarks", line)
            continue
        text = event["text"]
        reading.aside("cue_times", kind + colon + rest[: len(rest) - len(text)])
        tags = _OVERRIDE.findall(text)
        if any(_DRAWING.search(tag) for tag in tags):
            reading.aside("cue_remarks", text)
            continue
        for tag in tags:
            reading.aside("cue_tags", tag)
        said = _BREAK.sub("\n", _OVERRIDE.sub("", text)).replace("\\h", " ").split("\n")
        start, end = (_seconds(*time.groups()) for time in times if time)
        yield _Cue(start, end, tuple(" ".join(one.split()) for one in said))


def _in_order(cues: Iterable[_Cue]) -> Iterator[_Cue]:
    """The subtitles by time, in the order of the file where times are equal."""
    waiting = list[tuple[float, int, _Cue]]()
    for place, cue in enumerate(cues):
        heapq.heappush(waiting, (cue.start, place, cue))
        if len(waiting) > _SORTED:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _said(cues: Iterable[_Cue], reading: Reading) -> Iterator[_Cue]:
    """The subtitles that say something, without sounds and without lines that are still shown from before."""
    shown = deque[_Cue](maxlen=8)
    for cue in cues:
        heard = list[str]()
        for line in cue.lines:
            if line and _SOUND.fullmatch(line):
                reading.aside("cue_sounds", line)
            elif line:
                heard.append(line)
        still = [one for one in shown if one.start <= cue.start <= one.end + _SAME]
        repeated = max((_overlap(one.lines, heard) for one in still), default=0)
        for line in heard[:repeated]:
            reading.aside("cue_repeats", line)
        if heard:
            shown.append(_Cue(cue.start, cue.end, tuple(heard)))
        if heard[repeated:]:
            yield _Cue(cue.start, cue.end, tuple(heard[repeated:]))


def _overlap(before: tuple[str, ...], lines: list[str]) -> int:
    """Number of first lines that are the last ones of an earlier subtitle, in that order."""
    most = min(len(before), len(lines), _ROLLING)
    return next((count for count in range(most, 0, -1) if list(before[-count:]) == lines[:count]), 0)


def _paragraphs(cues: Iterator[_Cue]) -> Iterator[str]:
    """Lines joined until a pause, a dash of dialogue or another script (the second language of two); where sentences do
    not end in full stops, a subtitle is a paragraph unless a comma or a small letter shows that it goes on."""
    sample = list(islice(cues, _SAMPLE))
    stopped = 10 * sum(_STOP.search(cue.lines[-1]) is not None for cue in sample) >= len(sample)
    paragraph, last = "", _Cue(0, 0, ())
    for cue in chain(sample, cues):
        pause = not last.start <= cue.start <= last.end + _PAUSE
        for place, line in enumerate(cue.lines):
            ends = pause or _DASH.match(line) or bool(_WIDE.search(line)) != bool(_WIDE.search(paragraph[-200:]))
            goes_on = stopped or place > 0 or line[0].islower() or paragraph.endswith(tuple(_COMMAS))
            full = len(paragraph) > (_PARAGRAPH if _STOP.search(paragraph[-20:]) else _LONGEST)
            if paragraph and (ends or full or not goes_on):
                yield paragraph
                paragraph = ""
            paragraph += joint(paragraph, line) + line if paragraph else line
            pause = False
        last = cue
    if paragraph:
        yield paragraph
