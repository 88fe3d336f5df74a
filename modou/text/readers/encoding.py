"""Detect the encoding of a file: byte-order mark, UTF-8, UTF-16, GB18030 or Big5, else charset-normalizer."""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal

from modou.messages import UserError

Opener = Callable[[], BinaryIO]
SAMPLE = 1 << 20
"""Bytes examined by a guess."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = (
    b"\x89PNG",
    b"PK\x03\x04",
    b"%PDF-",
    b"\xff\xd8\xff",
    b"GIF8",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x7fELF",
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1b-\x1f]")
_LATIN = re.compile(r"[\t\n\r\x20-\x7e\u00a0-\u024f\u2010-\u2027]")


@dataclass(frozen=True)
class Encoding:
    """A Python codec name and how it was found: marked = byte-order mark, valid = the whole file decodes,
    guessed = the most likely, set = named by the user."""

    codec: str
    how: Literal["marked", "valid", "guessed", "set"]


def detect(open_bytes: Opener, path: Path | str) -> Encoding:
    """Detect the encoding of a file, reading it whole in blocks. UserError: empty, or not text."""
    with open_bytes() as stream:
        sample = stream.read(SAMPLE)
    if not sample.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise UserError("text.empty", path=path)
    if sample.startswith(_NOT_TEXT):
        raise UserError("text.not_text", path=path)
    for mark, codec in _MARKS:
        if sample.startswith(mark):
            return Encoding(codec, "marked")
    if b"\x00" in sample:
        return _utf16(sample, path)
    broken, wide = _scan_utf8(open_bytes)
    if not broken:
        if len(_CONTROL.findall(sample.decode("utf-8", errors="ignore"))) * 100 > len(sample):
            raise UserError("text.not_text", path=path)
        return Encoding("utf-8", "valid")
    if wide > 20 * broken:
        return Encoding("utf-8", "guessed")
    return _guess(sample, path)


def checked(codec: str) -> Encoding:
    """The encoding named by the user. UserError: Python has no such codec."""
    try:
        return Encoding(codecs.lookup(codec).name, "set")
    except LookupError:
        raise UserError("text.unknown_encoding", encoding=codec) from None


def _scan_utf8(open_bytes: Opener) -> tuple[int, int]:
    """Count (invalid UTF-8 sequences, valid non-ASCII characters)."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    broken = wide = 0
    with open_bytes() as stream:
        while piece := stream.read(SAMPLE):
            text = decoder.decode(piece)
            lost = text.count("\ufffd") - piece.count("\ufffd".encode())
            broken += lost
            wide += len(re.sub(r"[\x00-\x7f]+", "", text)) - lost
    return max(broken, 0) + len(decoder.decode(b"", final=True)), wide


def _utf16(sample: bytes, path: Path | str) -> Encoding:
    """UTF-16 without a byte-order mark, whose ASCII characters contain NUL bytes; other files with NUL are not text."""
    sample = sample[: len(sample) // 2 * 2]
    for codec in ("utf-16-le", "utf-16-be"):
        text = sample.decode(codec, errors="replace")
        common = sum(1 for char in text if char in _common() or _LATIN.match(char))
        if text and common >= 0.9 * len(text):
            return Encoding(codec, "guessed")
    raise UserError("text.not_text", path=path)


@cache
def _common() -> frozenset[str]:
    """The common characters: level 1 of GB 2312 and of Big5, with punctuation."""
    gb = bytes(b for lead in (*range(0xA1, 0xA4), *range(0xB0, 0xD8)) for c in range(0xA1, 0xFF) for b in (lead, c))
    trail = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    big5 = bytes(b for lead in range(0xA1, 0xC7) for c in trail for b in (lead, c))
    return frozenset(gb.decode("gb18030", "ignore") + big5.decode("cp950", "ignore")) - {"\ufffd"}


def _likelihood(sample: bytes, codec: str) -> float:
    """Among non-ASCII characters: share of common ones, minus five times the share of undecodable ones."""
    wide = re.sub(r"[\x00-\x7f]+", "", sample.decode(codec, errors="replace"))
    if not wide:
        return 0.0
    lost = sum(1 for char in wide if char == "\ufffd" or "\ue000" <= char <= "\uf8ff")
    return (sum(1 for char in wide if char in _common()) - 5 * lost) / len(wide)


def _guess(sample: bytes, path: Path | str) -> Encoding:
    # The sample may end inside a character, which would count as an error: use whole lines only.
    whole = sample[: sample.rfind(b"\n") + 1] or sample
    scores = {codec: _likelihood(whole, codec) for codec in ("gb18030", "big5hkscs")}
    best = max(scores, key=lambda codec: scores[codec])
    # Accented Latin text decodes to errors or rare characters here; Chinese text consists of common ones.
    if scores[best] >= 0.75:
        return Encoding(best, "guessed")
    from charset_normalizer import from_bytes

    match = from_bytes(whole[: SAMPLE // 4]).best()
    if match is None or len(_CONTROL.findall(str(match))) * 100 > len(whole):
        raise UserError("text.not_text", path=path)
    return Encoding(match.encoding, "guessed")
