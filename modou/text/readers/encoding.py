"""Detect the encoding of a file: byte-order mark, UTF-8, else the encoding by which it is most likely a text."""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

from modou.messages import UserError
from modou.text.readers.languages import count, likelihood

Opener = Callable[[], BinaryIO]
SAMPLE = 1 << 20
"""Bytes of a block."""

_SCORED = 8 << 10
"""Bytes that are decoded and scored by each candidate."""
_ROUGH, _KEPT = 1 << 10, 12
"""Bytes that are scored by all candidates, and how many of these score the whole sample."""
_STRETCH = 512
"""Bytes of words that are kept together."""
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
    b"\xd0\xcf\x11\xe0",
    b"SQLite format 3\x00",
    b"AT&TFORM",
    b"OggS\x00",
    b"fLaC\x00",
    b"ID3\x03",
    b"ID3\x04",
    b"BZh91AY&SY",
    b"\xfd7zXZ",
    b"(\xb5/\xfd",
)
# Neither what ends or cuts a page nor what terminals obey: a bell, a backspace, an escape.
_CONTROL = re.compile(rb"[\x00-\x06\x0e-\x19\x1c-\x1f\x7f]")
_PADDING = re.compile(rb"\x00{4,}")
_WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_WEST, _EAST = "en fr de es ca gl it pt nl sv da no fi is et sq", "en pl cs sk hu ro hr sl sq de"
_BALTIC, _CYRILLIC = "en et lv lt", "ru uk bg en"
# The languages that each is used for, and the log of how much less usual it is than the first.
_CANDIDATES = {
    "utf-8": ("", 0.0),
    "cp1252": (_WEST, 0.0),
    "gb18030": ("zh-Hans zh-Hant", 0.0),
    "big5hkscs": ("zh-Hant zh-Hans", 0.0),
    "cp950": ("zh-Hant zh-Hans", 0.5),
    "cp932": ("ja", 0.0),
    "euc_jp": ("ja", 0.5),
    "cp949": ("ko", 0.0),
    "cp1251": (_CYRILLIC, 0.5),
    "koi8-r": ("ru en", 1.5),
    "koi8-u": ("uk ru en", 2.0),
    "iso8859-5": (_CYRILLIC, 2.5),
    "cp866": ("ru en", 2.0),
    "mac-cyrillic": (_CYRILLIC, 5.0),
    "cp1250": (_EAST, 1.0),
    "iso8859-2": (_EAST, 2.0),
    "cp1253": ("el en", 1.0),
    "iso8859-7": ("el en", 2.0),
    "cp1254": ("tr en", 1.0),
    "cp1255": ("he en", 1.0),
    "iso8859-8": ("he en", 2.5),
    "cp1256": ("ar en", 1.0),
    "iso8859-6": ("ar en", 2.5),
    "cp1257": (_BALTIC, 1.5),
    "iso8859-13": (_BALTIC, 3.0),
    "iso8859-4": (_BALTIC, 3.5),
    "cp1258": ("vi en", 2.0),
    "cp874": ("th en", 1.0),
    "iso8859-15": (_WEST, 2.0),
    "mac-roman": (_WEST, 5.0),
    "mac-latin2": (_EAST, 6.0),
    "cp850": (_WEST, 5.0),
    "cp437": (_WEST, 6.0),
    "cp852": (_EAST, 5.5),
}
# Log-likelihood per character of what is no text, and by how much a rival may be less likely, in all and per character.
_POOR, _STRANGE = -10.0, -7.5
_CLOSE = 5.0
_CLOSE_EACH, _CLOSE_STRANGE = 0.1, 1.0


@dataclass(frozen=True)
class Encoding:
    """A Python codec name and how it was found: marked = byte-order mark, valid = the whole file decodes,
    guessed = the most likely, set = named by the user. rivals: codecs nearly as likely that give another text."""

    codec: str
    how: Literal["marked", "valid", "guessed", "set"]
    rivals: tuple[str, ...] = ()


_BLANK = b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"


def detect(open_bytes: Opener, path: Path | str) -> Encoding:
    """Detect the encoding of a file, reading it whole in blocks. UserError: empty, or not text."""
    with open_bytes() as stream:
        first = head = stream.read(SAMPLE)
        while not head.strip(_BLANK) and (more := stream.read(SAMPLE)):
            head = more
    if not head.strip(_BLANK):
        raise UserError("text.empty", path=path)
    if head.startswith(_NOT_TEXT) or head[257:262] == b"ustar":
        raise UserError("text.not_text", path=path)
    for mark, codec in _MARKS:
        if first.startswith(mark):
            return Encoding(codec, "marked")
    if _is_iso2022(head):
        return Encoding("iso2022_jp_2004", "guessed")
    found = _guess_wide(head) if _has_controls(head) else None
    if not found and _is_binary(head):
        raise UserError("text.not_text", path=path)
    return found or _guess_narrow(open_bytes, head)


def checked(codec: str) -> Encoding:
    """The encoding named by the user. UserError: Python has no such codec."""
    try:
        return Encoding(codecs.lookup(codec).name, "set")
    except LookupError:
        raise UserError("text.unknown_encoding", encoding=codec) from None


def _has_controls(data: bytes) -> bool:
    """Whether more than a hundredth of the bytes are control characters; padding by NUL is none."""
    data = _PADDING.sub(b"", data)
    return len(_CONTROL.findall(data)) > 1 + len(data) // 100


def _is_binary(head: bytes) -> bool:
    """Whether there are too many control characters for a text, of which NUL may be many."""
    inner = _PADDING.sub(b"", head).strip(b"\x00")
    return _has_controls(head.replace(b"\x00", b"")) or inner.count(b"\x00") * 5 > len(inner)


def _guess_narrow(open_bytes: Opener, head: bytes) -> Encoding:
    """UTF-8 if more of its characters outside ASCII are valid than not, else the most likely encoding."""
    broken, wide = _scan_utf8(open_bytes)
    if not broken:
        return Encoding("utf-8", "valid")
    if wide > broken:
        return Encoding("utf-8", "guessed")
    found = _guess_wide(head) or _guess(_sample(open_bytes) or head[:_SCORED])
    # Chance makes fewer valid sequences than this: some of the file may be UTF-8.
    return replace(found, rivals=("utf-8", *found.rivals)[:3]) if 2 * wide > broken else found


def _is_iso2022(head: bytes) -> bool:
    """Seven-bit Japanese: kanji between the escape sequences ESC $ B and ESC ( B."""
    if not head.isascii() or not (b"\x1b$B" in head or b"\x1b$@" in head):
        return False
    text = head.decode("iso2022_jp_2004", "replace")
    return text.count("\ufffd") * 100 <= len(text) and any("\u3041" <= char <= "\u30fe" for char in text)


def _scan_utf8(open_bytes: Opener) -> tuple[int, int]:
    """Count (invalid UTF-8 sequences, valid non-ASCII characters)."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    broken = wide = 0
    with open_bytes() as stream:
        while piece := stream.read(SAMPLE):
            text = decoder.decode(piece)
            if text.isascii():
                continue
            lost = text.count("\ufffd") - piece.count("\ufffd".encode())
            broken += lost
            wide += len(text) - len(text.encode("ascii", "ignore")) - lost
    return max(broken, 0) + len(decoder.decode(b"", final=True)), wide


def _sample(open_bytes: Opener) -> bytes:
    """Stretches of a file that contain bytes outside ASCII, from places far apart; none begins within a character."""
    kept: list[bytes] = []
    with open_bytes() as stream:
        first = True
        while (block := stream.read(SAMPLE)) and len(kept) < 4 * _SCORED // _STRETCH:
            kept += () if block.isascii() else _stretches(block, first)
            first = False
    bytes_seen: set[int] = set()
    rare: list[bytes] = []
    for stretch in kept:
        if not bytes_seen.issuperset(stretch):
            bytes_seen.update(stretch)
            rare.append(stretch)
    even = kept[:: max(1, 2 * len(kept) * _STRETCH // _SCORED)]
    return b"\n".join(dict.fromkeys((*rare[: _SCORED // _STRETCH], *even)))


def _stretches(block: bytes, first: bool) -> Iterator[bytes]:
    """Runs of words with a byte outside ASCII among them. No multi-byte encoding has spaces within a character."""
    words = block.split() if first else block.split()[1:]
    start = length = 0
    for at, word in enumerate(words, start=1):
        length += len(word) + 1
        if length >= _STRETCH or at == len(words):
            run = b" ".join(words[start:at])
            if not run.isascii():
                yield run[: 4 * _STRETCH]
            start, length = at, 0


def _guess_wide(head: bytes) -> Encoding | None:
    """UTF-16 or UTF-32 without a byte-order mark, if that makes a text of the bytes."""
    if b"\x00" not in head and head.isascii():
        return None
    for codec in _WIDE:
        text = head[: _SCORED // 4 * 4].decode(codec, "replace").replace("\x00", "")
        found = count(text)
        usual = likelihood(found) >= min(_POOR * found.characters, _POOR / 2 * len(text))
        if (usual or _in_one_script(text)) and not _has_controls(text.encode("utf-8", "replace")):
            return Encoding(codec, "guessed")
    return None


def _in_one_script(text: str) -> bool:
    """Whether nine tenths of the letters are of one alphabet, by the first word of their Unicode names."""
    letters = (char for char in text if unicodedata.category(char)[0] in "LM")
    scripts = Counter(unicodedata.name(char, "").split(" ")[0] for char in letters)
    script, most = scripts.most_common(1)[0] if scripts else ("", 0)
    return script not in ("CJK", "HANGUL") and most > 0.9 * scripts.total() and 2 * most > len(text)


def _guess(sample: bytes) -> Encoding:
    """The candidate by whose decoding the sample is most likely a text, and those that come close."""
    rough = _scores(sample[:_ROUGH], _CANDIDATES)
    score = _scores(sample, sorted(rough, key=lambda codec: -rough[codec])[:_KEPT])
    best, *others = sorted(score, key=lambda codec: -score[codec])
    text = sample.decode(best, "replace")
    characters = count(text).characters
    near = _CLOSE_STRANGE if score[best] < _STRANGE * characters else _CLOSE_EACH
    least = score[best] - max(_CLOSE, near * characters)
    rivals = [codec for codec in others if score[codec] > least and sample.decode(codec, "replace") != text]
    return Encoding(best, "guessed", tuple(rivals[:3]))


def _scores(sample: bytes, candidates: Iterable[str]) -> dict[str, float]:
    """Log-likelihood of a sample under each candidate. Many candidates give the same text, which is counted once."""
    decoded = {codec: sample.decode(codec, "replace") for codec in candidates}
    counts = {text: count(text) for text in set(decoded.values())}
    return {
        codec: likelihood(counts[text], _CANDIDATES[codec][0].split()) - _CANDIDATES[codec][1]
        for codec, text in decoded.items()
    }
