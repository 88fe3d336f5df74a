"""Split paragraphs into sentences (whose concatenation is the paragraph) and join sentences into one line."""

import re
from collections.abc import Iterable

LONGEST = 1000
"""Maximum characters of a sentence; a longer one is cut after a comma if possible."""

_CANDIDATE = re.compile(r"(?:[。！？!?]|…+|\.+)[。！？!?…]*")
_CLOSERS = "”’」』】）》〉〕)]}"
_CONTINUES = "，、；：,;:—～~"
_ABBREVIATION = re.compile(
    r"(?:^|[\s(“‘\"'—-])(?:Mr|Mrs|Ms|Dr|St|Prof|Sr|Jr|vs|etc|No|Vol|Capt|Col|Gen|Lt|Sgt|Rev|Hon|Messrs|Mme|Mlle|Mt|Esq|Co|Inc"
    r"|Fig|Eq|pp?|cf|viz|[A-Za-z](?:\.[A-Za-z])*)\.$"
)
_OPENS = re.compile(r"[\s]+[“‘\"'(\[—-]*[A-Z0-9\u3400-\u9fff“‘\"']")
_SHARED = "“”‘’\"'…—·"
_COMMA = re.compile(r"[，；、,;：:][”’\"']?|\s")


def split_sentences(paragraph: str) -> list[str]:
    """Split after end marks, including the closing quotes and brackets that follow them."""
    pieces: list[str] = []
    start = 0
    quotes = counted = 0
    for found in _CANDIDATE.finditer(paragraph):
        if found.start() < start:
            continue
        end = found.end()
        quotes += paragraph.count('"', counted, end)
        counted = end
        inside = quotes % 2 == 1
        while end < len(paragraph) and (paragraph[end] in _CLOSERS or (paragraph[end] == '"' and inside)):
            inside = inside and paragraph[end] != '"'
            end += 1
        # A straight single quote before a letter is an apostrophe.
        if paragraph[end : end + 1] == "'" and not paragraph[end + 1 : end + 2].isalnum():
            end += 1
        if end < len(paragraph) and _ends(paragraph, found.group(), found.start(), end):
            pieces.append(paragraph[start:end])
            start = end
    if start < len(paragraph):
        pieces.append(paragraph[start:])
    return [part for piece in pieces for part in shorten(piece)]


def _ends(paragraph: str, mark: str, start: int, end: int) -> bool:
    """Whether the mark at `start`, with closing quotes up to `end`, ends a sentence."""
    following = paragraph[end]
    if following in _CONTINUES:
        return False
    if mark[0] in "。！？…":
        # A single … between Latin letters is an English ellipsis.
        return not (mark[0] == "…" and following.isascii() and not following.isspace())
    if mark[0] in "!?" and "\u3400" <= paragraph[start - 1 : start] <= "\u9fff":
        return True
    if mark[0] == "." and _ABBREVIATION.search(paragraph[max(0, start - 12) : start + 1]):
        return False
    return bool(_OPENS.match(paragraph, end)) and not (mark == ".." or "…" in mark)


def shorten(sentence: str, longest: int = LONGEST) -> list[str]:
    """Pieces of at most `longest` characters, cut after a comma or a space if possible."""
    pieces: list[str] = []
    while len(sentence) > longest:
        cuts = [found.end() for found in _COMMA.finditer(sentence, longest // 2, longest)]
        cut = cuts[-1] if cuts else longest
        pieces.append(sentence[:cut])
        sentence = sentence[cut:]
    return [*pieces, sentence]


def _is_chinese(char: str) -> bool:
    """Whether a character is an ideograph or a full-width mark (not a mark shared with Latin script)."""
    if "\u3400" <= char <= "\u9fff" or "\u3000" <= char <= "\u303f" or "\uff00" <= char <= "\uffef":
        return True
    return "\uf900" <= char <= "\ufaff" or "\U00020000" <= char <= "\U0003ffff"


def joint(left: str, right: str) -> str:
    """The separator when joining two pieces: "" next to Chinese, after a dash or inside a hyphenated word, else " "."""
    near, far = left[-6:].rstrip(_SHARED)[-1:], right[:6].lstrip(_SHARED)[:1]
    if _is_chinese(near) or _is_chinese(far) or left.endswith("—"):
        return ""
    return "" if left.endswith("-") and left[-2:-1].isalpha() and right[:1].islower() else " "


def join_sentences(sentences: Iterable[str]) -> str:
    """Join sentences into one line, with spaces except next to Chinese."""
    pieces: list[str] = []
    for sentence in sentences:
        if pieces:
            pieces.append(joint(pieces[-1], sentence))
        pieces.append(sentence)
    return "".join(pieces)
