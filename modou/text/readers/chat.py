"""Chats as exported: WhatsApp, Telegram, WeChat, LINE, QQ, Discord. A message is a line "name: text"."""

import re
from collections.abc import Iterator
from datetime import timedelta

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers import chat_lines, chat_rows
from modou.text.readers.chat_lines import ChatMessage
from modou.text.readers.file import File, Line, Reading
from modou.text.readers.json_rows import SUFFIXES, UNNAMED
from modou.text.readers.table import SUFFIXES as TABLES

LAYOUT = "lines"
PAUSE = timedelta(hours=4)
"""After a longer silence another conversation begins."""
_CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7af]")


def recognises(file: File) -> bool:
    """By the form of its first lines or rows."""
    return _style(file) is not None


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """A line for each message; a chapter begins after a long pause. UserError: no message."""
    last: ChatMessage | None = None
    for message in messages(file, reading):
        if last is None or is_later(last, message):
            yield Heading(None)
        yield spoken(message)
        last = message
    if last is None:
        raise UserError("text.no_messages", path=file.path)


def messages(file: File, reading: Reading) -> Iterator[ChatMessage]:
    """The messages of a chat in order; of a file that no program wrote, its lines "name: text"."""
    style = _style(file) or "label"
    if style == "telegram" or style == "discord" or isinstance(style, chat_rows.Sheet):
        found = chat_rows.row_messages(file, reading, style)
    else:
        found = chat_lines.line_messages(file, reading, style)
    for message in found:
        reading.rows += 1
        reading.undecoded(message.text)
        yield message


def is_later(last: ChatMessage, message: ChatMessage) -> bool:
    """Whether a message begins another conversation than the last one belongs to."""
    if message.chat != last.chat:
        return True
    return bool(message.time and last.time and abs(message.time - last.time) > PAUSE)


def spoken(message: ChatMessage) -> str:
    """The message with its speaker."""
    colon = "：" if _CJK.search(message.speaker) else ": "
    return f"{message.speaker}{colon}{message.text}"


def _style(file: File) -> str | chat_rows.Sheet | None:
    if file.suffix in (*SUFFIXES, *TABLES) or file.suffix in UNNAMED:
        return chat_rows.style_of(file) or chat_lines.style_of(file.opening)
    return None
