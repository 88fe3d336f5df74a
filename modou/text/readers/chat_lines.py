"""Chats exported as text: WhatsApp, LINE, QQ, and plain lines "name: text". A message may go on over several lines."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from modou.text.readers.file import File, Reading, cut_lines

_MARKS = "\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
_DATE = r"\d{1,4}(?:\s?[./年월년-]\s?)\d{1,2}(?:\s?[./月월-]\s?)\d{1,4}(?:\s?[日일.])?"
_HALF = "上午|下午|午前|午後|오전|오후|凌晨|清晨|早上|中午|晚上"
_TIME = rf"(?:(?:{_HALF})\s?)?\d{{1,2}}[:.]\d{{2}}(?:[:.]\d{{2}})?(?:\s?(?:[AaPp]\.?\s?[Mm]\.?|[صم]))?"
_STAMP = rf"(?P<stamp>{_DATE},?\s{{0,2}}(?:[^\W\d]{{1,3}}\.?\s)?{_TIME})"
_SPOKEN = r"(?:(?P<name>[^:：\"“”«»]{1,60}?)[:：](?:\s|$))?(?P<text>.*)"
_WHATSAPP = (
    re.compile(rf"[{_MARKS}]*\[{_STAMP}\]\s?{_SPOKEN}"),
    re.compile(rf"[{_MARKS}]*{_STAMP}\s[-–—]\s{_SPOKEN}"),
)
_LINE = re.compile(rf"(?P<stamp>{_TIME})\t(?:(?P<name>[^\t]{{1,60}})\t)?(?P<text>.*)")
_LINE_DATE = re.compile(
    r"(?:\w{2,4}\.?,\s?)?(?P<date>\d{1,4}[./]\d{1,2}[./]\d{1,4})(?:\s?[(（]\w{1,4}\.?[)）]|\s\S{1,9})?\s*"
)
_QQ = re.compile(
    r"(?P<stamp>\d{4}[-/]\d{1,2}[-/]\d{1,2}\s+\d{1,2}:\d{2}:\d{2})\s+(?P<name>\S.{0,60}?)\s?(?P<id>\(\d{4,12}\)|<[^<>\s]+>)\s*"
)
_NAMED = re.compile(
    r"(?P<name>[^\s:：][^:：\t]{0,40}?)(?:[:：]\s*|\s+)"
    r"(?P<stamp>(?:\d{4}[-/年])?\d{1,2}[-/月]\d{1,2}日?\s+\d{1,2}:\d{2}(?::\d{2})?)\s*"
)
_NO_YEAR = re.compile(r"\d{1,2}[-/月]\d{1,2}日?\s+\d{1,2}:")
_LABEL = re.compile(
    r"(?P<name>[^\s:：,，。.!?！？/\"“]{1,24}(?: [^\s:：,，。.!?！？]{1,24}){0,2})[:：]\s*(?P<text>\S.*)"
)
_LEVELS = {"TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"}
"""Where these speak, the file is a log."""
_ENDINGS = "jpe?g|png|gif|webp|heic|opus|ogg|mp3|m4a|aac|mp4|mov|3gp|pdf|vcf|docx?|xlsx?|pptx?|zip"
_LEFT_OUT = (
    "omitted|omitid[oa]s?|omis[e]?s?|omess[oi]|ausgeschlossen|weggelassen|weggelaten|utelämnad|udeladt|pominięto|attached"
    "|allegato|adjunto|anexado|angehängt|joint|без медиафайлов|пропущен|dahil edilmedi|省略|忽略|略過|생략"
)
_MEDIA = re.compile(
    rf"<[^<>]{{0,60}}(?:{_LEFT_OUT})[^<>]{{0,80}}>|\S.{{0,80}}\.(?:{_ENDINGS}) \([^()]{{3,40}}\)"
    r"|(?:image|video|audio|sticker|GIF|document|Contact card|video note) omitted"
    r"|(?:图片|圖片|视频|影片|音频|贴图|文件)[已被]?(?:省略|忽略|略過)",
    re.IGNORECASE,
)
_LINE_MEDIA = re.compile(r"\[[^\[\]]{1,12}\]")
_SERVICE = re.compile(
    r"(?:This message was deleted|You deleted this message|Missed (?:group )?(?:voice|video) call"
    r"|Waiting for this message"
    r"|Diese Nachricht wurde gelöscht|Du hast diese Nachricht gelöscht|Se eliminó este mensaje|Eliminaste este mensaje"
    r"|Ce message a été supprimé|Esta mensagem foi apagada|Questo messaggio è stato eliminato|Сообщение удалено"
    r"|此消息已删除|您删除了此消息|你撤回了一条消息|此訊息已刪除|☎).{0,60}"
)
_EDITED = re.compile(r"\s{0,3}(?:\u200e<[^<>]{4,60}>|<This message was edited>)$")
_LONGEST = 1 << 20
_LOOKED_AT = 400
_WIDE_MARKS = tuple("。！？，、；：…」』”）】～")

Stamp = Callable[[str], datetime | None]


@dataclass(frozen=True)
class ChatMessage:
    """What one person said at one time."""

    speaker: str
    text: str
    """On one line."""
    time: datetime | None
    chat: int = 0
    """Number of the conversation in an export of several."""


@dataclass(frozen=True)
class _Start:
    """The first line of a message; without a name, of what the program itself says."""

    stamp: str
    name: str | None
    text: str
    day: date | None = None
    """A line that gives the date of those that follow."""


Match = Callable[[str], _Start | None]


def style_of(opening: str) -> str | None:
    """The program that wrote a text: whatsapp, line, qq; named: copied from WeChat or QQ; None: no chat."""
    lines = [line for line in opening.split("\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip(f"{_MARKS} \r")]
    for style, match in _STYLES.items():
        if style == "label":
            continue
        starts = [match(line.rstrip("\r")) for line in lines]
        spoken = [start for start in starts if start and start.name]
        names = {(start.name or "").strip() for start in spoken}
        begun = sum(start is not None and start.day is None for start in starts)
        if (
            not any(starts[:4])
            or 3 * len(spoken) < max(begun, 1)
            or names & _LEVELS
            or any("[" in name for name in names)
            or (style == "named" and (2 * len(names) > len(spoken) or 5 * len(spoken) < len(lines)))
        ):
            continue
        if style != "line" or opening.startswith("[LINE]") or any(start and start.day for start in starts):
            return style
    return None


def line_messages(file: File, reading: Reading, style: str) -> Iterator[ChatMessage]:
    """The messages of a chat of that style; stamps, media and what the program says are set aside."""
    match, when = _STYLES[style], clock(file.opening)
    start, parts, size, day = _Start("", None, ""), list[str](), 0, None
    with file.text(reading) as stream:
        for line in cut_lines(stream):
            found = match(line)
            if found is None and size < _LONGEST:
                if line.strip():
                    parts.append(line)
                    size += len(line)
                continue
            yield from _message(start, parts, style, when, day, reading)
            start = found or _Start("", start.name, line)
            day = start.day or day
            parts, size = [start.text], len(start.text)
        yield from _message(start, parts, style, when, day, reading)


def _message(
    start: _Start, parts: list[str], style: str, when: Stamp, day: date | None, reading: Reading
) -> Iterator[ChatMessage]:
    reading.aside("stamps", start.stamp)
    name = re.sub(f"[{_MARKS}]", "", start.name or "").strip().lstrip("~").strip()
    if start.name is None:
        reading.aside("service", " ".join(parts))
        return
    if parts and (kind := _kind(parts[0], style)):
        reading.aside(kind, f"{name} {parts[0]}")
        parts = parts[1:]
    if parts and (edited := _EDITED.search(parts[-1])):
        reading.aside("service", edited[0])
        parts = [*parts[:-1], parts[-1][: edited.start()]]
    text = re.sub("[\u200e\u202a-\u202e\u2066-\u2069]", "", one_line(parts))
    if style == "line" and len(parts) > 1 and text.startswith('"') and text.endswith('"'):
        text = text[1:-1].replace('""', '"')
    if text:
        time = when(f"{day:%Y-%m-%d} {start.stamp}" if day else start.stamp)
        yield ChatMessage(name, text, time)


def _kind(text: str, style: str) -> str:
    bare = re.sub(f"[{_MARKS}]", "", text).strip()
    if _MEDIA.fullmatch(bare) or (style == "line" and _LINE_MEDIA.fullmatch(bare)):
        return "media"
    return "service" if text.lstrip().startswith("\u200e") or _SERVICE.fullmatch(bare) else ""


def one_line(parts: list[str]) -> str:
    """Lines as one, with a space between them but after a full-width mark, which has room of its own."""
    joined = ""
    for part in map(str.strip, parts):
        gap = "" if not joined or not part or joined.endswith(_WIDE_MARKS) else " "
        joined += gap + part
    return joined


def clock(opening: str) -> Stamp:
    """A function that reads the stamps of a chat, whose order of day and month its beginning shows."""
    stamps = [_numbers(found[0]) for found in re.finditer(rf"{_DATE}(?=\D)", opening)][:2000]
    dates = [numbers for numbers in stamps if len(numbers) == 3 and numbers[0] < 32]
    orders = {"dmy": (2, 1, 0), "mdy": (2, 0, 1)}

    def faults(order: tuple[int, ...]) -> int:
        placed = [tuple(numbers[at] for at in order) for numbers in dates]
        return sum(month > 12 for _, month, _ in placed) * 9 + sum(b < a for a, b in pairwise(placed))

    usual = ("mdy", "dmy") if re.search(r"\d\s?[AP]M\b", opening) else ("dmy", "mdy")
    order = orders[min(usual, key=lambda name: faults(orders[name]))]
    return lambda stamp: read_stamp(stamp, order)


def read_stamp(stamp: str, order: tuple[int, ...] = (2, 1, 0)) -> datetime | None:
    """A date and time as people write them; `order`: the places of year, month and day where the year is not first."""
    numbers = [*([2000] if _NO_YEAR.match(stamp) else []), *_numbers(stamp)]
    if len(numbers) < 5:
        return None
    day = numbers[:3] if numbers[0] > 31 else [numbers[at] for at in order]
    hour = numbers[3]
    if re.search(r"[Pp]\.?\s?[Mm]|م|下午|午後|오후|晚上", stamp) and hour < 12:
        hour += 12
    elif re.search(r"[Aa]\.?\s?[Mm]|ص|上午|午前|오전|凌晨", stamp) and hour == 12:
        hour = 0
    year = day[0] + 2000 if day[0] < 100 else day[0]
    try:
        return datetime(year, day[1], day[2], hour, numbers[4], numbers[5] if len(numbers) > 5 else 0)
    except ValueError:
        return None


def _numbers(stamp: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d{1,4}", stamp)]


def _whatsapp(line: str) -> _Start | None:
    for pattern in _WHATSAPP:
        # Where people write from right to left, marks stand within the date.
        if found := pattern.match(line[:5000].replace("\u200f", "")):
            return _Start(found["stamp"], found["name"], found["text"] + line[5000:])
    return None


def _line(line: str) -> _Start | None:
    if found := _LINE_DATE.fullmatch(line[:60]):
        numbers = _numbers(found["date"])
        time = read_stamp(f"{found['date']} 0:00", (2, 0, 1) if numbers[0] < 32 else (0, 1, 2))
        return _Start(line, None, "", time.date() if time else None)
    found = _LINE.match(line[:5000])
    return _Start(found["stamp"], found["name"], found["text"] + line[5000:]) if found else None


def _qq(line: str) -> _Start | None:
    found = _QQ.fullmatch(line[:200])
    return _Start(f"{found['stamp']} {found['id']}", found["name"], "") if found else None


def _named(line: str) -> _Start | None:
    found = _NAMED.fullmatch(line[:120])
    return _Start(found["stamp"], found["name"], "") if found else None


def _label(line: str) -> _Start | None:
    found = _LABEL.match(line[:5000])
    return _Start("", found["name"], found["text"] + line[5000:]) if found else None


_STYLES: dict[str, Match] = {"whatsapp": _whatsapp, "line": _line, "qq": _qq, "named": _named, "label": _label}


def is_labelled(opening: str) -> bool:
    """Whether most lines begin with one of a few names and a colon."""
    lines = [line for line in opening.split("\n") if line.strip()][:_LOOKED_AT]
    names = Counter(found["name"] for line in lines if (found := _LABEL.match(line)))
    said = sum(times for times in names.values() if times > 1)
    return bool(lines) and 2 * said >= len(lines)
