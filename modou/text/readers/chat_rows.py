"""Chats exported as rows: Telegram and Discord as JSON; WeChat, Discord and others as CSV."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from modou.text.readers.chat_lines import ChatMessage, one_line, read_stamp
from modou.text.readers.columns import shown
from modou.text.readers.file import File, Reading
from modou.text.readers.json_values import BadRow, items_within
from modou.text.readers.table import form_of, read_rows
from modou.text.report import note

_TELEGRAM = re.compile(r'"messages":\s{0,9}\[\s{0,99}\{[^{}]{0,999}"type":\s{0,9}"(?:message|service)"')
_TELEGRAM_FULL = re.compile(r'\s{0,99}\{\s{0,99}"about":\s{0,9}"[^"]{0,999}Telegram')
_DISCORD = ('"guild":', '"channel":', '"messages":', '"author":')
_SPOKEN = ("Default", "Reply")
_ID = re.compile(r"wxid_\w+|[a-z][a-z0-9_-]{5,}|\d{6,}@\w+")
_ME = "我"
_SPEAKERS = ("sender", "speaker", "发送者", "发送人", "发言人", "说话人", "昵称", "nickname")
_TEXTS = ("message", "msg", "text", "content", "body", "消息", "内容", "消息内容", "正文")
_TIMES = ("time", "date", "timestamp", "datetime", "created_at", "时间", "日期", "发送时间")
_TEXT_TYPES = ("1", "文本", "text", "文字", "文本消息")


@dataclass(frozen=True)
class Sheet:
    """Which columns of a table hold a chat; `kind`: that of the type of a message, of which text is kept."""

    text: str
    speakers: tuple[str, ...]
    time: str = ""
    kind: str = ""
    own: str = ""
    """1 for the messages of the one who exported it."""


def style_of(file: File) -> str | Sheet | None:
    """The program that wrote JSON or a table; None: no chat."""
    opening = file.opening
    if opening.lstrip().startswith("{"):
        if _TELEGRAM.search(opening) or _TELEGRAM_FULL.match(opening):
            return "telegram"
        return "discord" if all(mark in opening for mark in _DISCORD) else None
    return sheet_of(form_of(opening)[0].names)


def sheet_of(names: tuple[str, ...]) -> Sheet | None:
    """The columns of a chat among these names."""
    have = {name.lower(): name for name in names}
    if {"strcontent", "type", "issender"} <= have.keys():
        speakers = tuple(have.get(name, "") for name in ("sender", "remark", "nickname"))
        return Sheet(have["strcontent"], speakers, have.get("strtime", ""), have["type"], have["issender"])
    if {"is_sender", "msg", "type_name"} <= have.keys():
        times = have.get("createtime", "")
        return Sheet(have["msg"], (have.get("talker", ""),), times, have["type_name"], have["is_sender"])
    if {"authorid", "author", "date", "content"} <= have.keys():
        return Sheet(have["content"], (have["author"],), have["date"])
    speaker, text, time = (
        next((have[name] for name in known if name in have), "") for known in (_SPEAKERS, _TEXTS, _TIMES)
    )
    return Sheet(text, (speaker,), time) if speaker and text else None


def row_messages(file: File, reading: Reading, style: str | Sheet) -> Iterator[ChatMessage]:
    """The messages; stamps, media, forwarded texts and what the program says are set aside."""
    with file.text(reading) as stream:
        rows = items_within(stream, "messages") if isinstance(style, str) else read_rows(stream)[1]
        chat, last = 0, (0, "")
        for row in rows:
            if isinstance(row, BadRow) or not isinstance(row.value, dict):
                reason = row.reason if isinstance(row, BadRow) else "text.row_not_object"
                reading.complain(f"{file.path.name}:{row.place}: {note(reason)}")
                continue
            fields = cast(dict[str, Any], row.value)
            if isinstance(style, Sheet):
                found = _of_table(fields, style, reading)
            elif style == "telegram":
                found = _of_telegram(fields, chat, reading)
                if found and isinstance(fields.get("id"), int):
                    now = (fields["id"], shown(fields.get("date")))
                    if now[0] < last[0] and now[1] < last[1]:  # the next chat of a whole export
                        chat += 1
                        found = replace(found, chat=chat)
                    last = now
            else:
                found = _of_discord(fields, reading)
            if found:
                yield found


def _of_telegram(fields: Mapping[str, Any], chat: int, reading: Reading) -> ChatMessage | None:
    reading.aside("stamps", shown(fields.get("date")))
    text = one_line(_flat(fields.get("text")).splitlines())
    name = _name(fields, "from", "from_id", "actor")
    if fields.get("type") != "message":
        reading.aside("service", f"{name} {fields.get('action', '')} {text}")
    elif fields.get("forwarded_from") is not None:
        reading.aside("forwarded", f"{name} {text}")
    elif not text:
        media = next(
            (shown(fields[key]) for key in ("sticker_emoji", "media_type", "file", "photo") if key in fields), ""
        )
        reading.aside("media", f"{name} {media}")
    else:
        return ChatMessage(name, text, _time(fields.get("date")), chat)
    return None


def _of_discord(fields: Mapping[str, Any], reading: Reading) -> ChatMessage | None:
    reading.aside("stamps", shown(fields.get("timestamp")))
    author = fields.get("author")
    name = _name(cast(dict[str, Any], author) if isinstance(author, dict) else {}, "nickname", "name", "id")
    text = one_line(_flat(fields.get("content")).splitlines())
    if fields.get("type", _SPOKEN[0]) not in _SPOKEN:
        reading.aside("service", f"{name} {text}")
    elif text:
        return ChatMessage(name, text, _time(fields.get("timestamp")))
    else:
        reading.aside("media", name)
    return None


def _of_table(fields: Mapping[str, Any], sheet: Sheet, reading: Reading) -> ChatMessage | None:
    text = one_line(shown(fields.get(sheet.text)).splitlines())
    name = _speaker(fields, sheet)
    for other, value in fields.items():
        if other != sheet.text and (value != name or other not in sheet.speakers):
            reading.aside("stamps" if other == sheet.time else "columns", shown(value))
    kind = shown(fields.get(sheet.kind)).strip().lower() if sheet.kind else _TEXT_TYPES[0]
    if kind not in _TEXT_TYPES:
        reading.aside("service" if kind in ("10000", "10002", "系统通知") else "media", text)
    elif text:
        return ChatMessage(name, text, _time(fields.get(sheet.time)))
    return None


def _speaker(fields: Mapping[str, Any], sheet: Sheet) -> str:
    """The sender, unless it is an identifier; then who exported it, or the other, by a name of theirs."""
    given = [shown(fields.get(column)).strip() for column in sheet.speakers]
    if given and given[0] and not (sheet.own and _ID.fullmatch(given[0])):
        return given[0]
    if sheet.own and shown(fields.get(sheet.own)).strip() == "1":
        return _ME
    return next((name for name in (*given[1:], *given) if name), "?")


def _name(fields: Mapping[str, Any], *keys: str) -> str:
    return next((" ".join(shown(fields[key]).split()) for key in keys if fields.get(key)), "?")


def _flat(text: Any) -> str:
    """A text, or the texts of its parts."""
    if isinstance(text, list):
        return "".join(map(_flat, cast(list[Any], text)))
    if isinstance(text, dict):
        return _flat(cast(dict[str, Any], text).get("text"))
    return text if isinstance(text, str) else ""


def _time(value: Any) -> datetime | None:
    """A time in ISO form, in seconds, or as people write it; without its zone."""
    text = shown(value).strip()
    try:
        if text.isdecimal():
            return datetime.fromtimestamp(int(text) if len(text) < 12 else int(text[:13]) / 1000)
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return read_stamp(text[:60], (2, 0, 1) if re.search(r"[AP]M", text[:60]) else (2, 1, 0))
