"""Split paragraphs into sentences (whose concatenation is the paragraph) and join sentences into one line."""

import re
from collections.abc import Iterable

from modou.text.abbreviations import is_abbreviation
from modou.text.cuts import cut_before

LONGEST = 1000
"""Maximum characters of a sentence; a longer one is cut after a comma if possible."""

# The full stop and question mark of Arabic and Urdu, Devanagari, Ethiopic, Armenian, Greek, Burmese, Khmer, Tibetan.
OTHER_STOPS = "؟۔।॥።፧፨։\u037e။។៕༎᠃｡"
_FULL_STOPS = f"。！？{OTHER_STOPS}"
# Greek writes its question mark as a semicolon; a Sanskrit verse ends in ॥ 12 ॥, a Tibetan one in two strokes.
# A set of characters comes first, for which a text is searched several times as fast as for alternatives.
_CANDIDATE = re.compile(
    rf"[{_FULL_STOPS}།!?….;](?:(?<=॥)\s*[०-९0-9]+\s*॥|(?<=[།༎])[།༎]*(?:\s+[།༎]+)*"
    rf"|(?:(?<=[{_FULL_STOPS}!?])|(?<=…)…*|(?<=\.)\.*|(?<=[\u0370-\u03ff\u1f00-\u1fff];))[{_FULL_STOPS}!?…]*)"
)
_STOP = re.compile(rf"[{_FULL_STOPS}!?….།༎]")
_CLOSERS = "”’」』】）》〉〕)]}﹂﹄︶︼︾﹀"
_GUILLEMETS = "«»‹›"
_LOW_QUOTES = {"“": "„", "‘": "‚"}
"""Quotes that close what a low one opened (German, Czech, Polish …)."""
_ANY_CLOSER = {*_CLOSERS, *_GUILLEMETS, *_LOW_QUOTES}
_MAY_CLOSE = {*_ANY_CLOSER, '"', "'"}
_AFTER_STOPS = "".join(_ANY_CLOSER) + "\"' \u00a0"
_LOOK_BACK = 2000
_ITEM = 6
"""Characters before the stop of an item's number: "1. The bean"."""
_CONTINUES = "，、；：,;:—～~،؛"
_OPENERS = "“‘\"'„‚«»‹›¿¡「『﹁﹃"
_OPENS = re.compile(rf"\s+(?:[{_OPENERS}”’]|[(\[（【《*_—–―-]+\s?[{_OPENERS}]?|)(?P<first>.)", re.DOTALL)
_SPACED_CLOSER = re.compile(r"\s[»›](?!\w)")
_UNSPACED = re.compile("[\u3000-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_UNSPACED_WORD = re.compile("(?:[\u3400-\u9fff]|[\u3041-\u30ff]{2})$")
_THAI_OR_KHMER = re.compile("[\u0e00-\u0eff\u1780-\u17ff]")
_SHARED = "“”‘’\"'…—·"


def split_sentences(paragraph: str) -> list[str]:
    """Split after end marks, including the closing quotes and brackets that follow them."""
    pieces: list[str] = []
    start = 0
    quotes = counted = 0
    quoted = '"' in paragraph
    for found in _CANDIDATE.finditer(paragraph):
        if found.start() < start:
            continue
        end = found.end()
        if quoted:
            quotes += paragraph.count('"', counted, end)
            counted = end
        following = paragraph[end : end + 1]
        if following in _MAY_CLOSE or following.isspace():
            end = _after_closers(paragraph, end, inside=quotes % 2 == 1)
        if end < len(paragraph) and _ends(paragraph, found.group(), start, found.start(), end):
            pieces.append(paragraph[start:end])
            start = end
    if start < len(paragraph):
        pieces.append(paragraph[start:])
    if len(paragraph) <= LONGEST:
        return pieces
    return [part for piece in pieces for part in shorten(piece)]


def ends_sentence(line: str) -> bool:
    """Whether a line ends in the mark that ends a sentence, closing quotes aside."""
    return bool(_STOP.match(line.rstrip().rstrip(_AFTER_STOPS)[-1:]))


def has_stop(text: str) -> bool:
    """Whether the text holds a mark that can end a sentence."""
    return bool(_STOP.search(text))


def _after_closers(paragraph: str, end: int, *, inside: bool) -> int:
    """The end of the quotes and brackets that close at `end`. `inside`: a straight double quote is open."""
    while end < len(paragraph):
        char = paragraph[end]
        if char == '"' and inside:
            inside = False
        elif char in _GUILLEMETS and paragraph[end + 1 : end + 2].isalnum():
            break  # »…« opens with what «…» closes with
        elif char not in _ANY_CLOSER or (char in _LOW_QUOTES and not _closes_low(paragraph, end)):
            break
        end += 1
    # A straight single quote before a letter is an apostrophe.
    if paragraph[end : end + 1] == "'" and not paragraph[end + 1 : end + 2].isalnum():
        end += 1
    spaced = _SPACED_CLOSER.match(paragraph, end)  # French: « Non ! »
    return spaced.end() if spaced else end


def _closes_low(paragraph: str, at: int) -> bool:
    back = max(0, at - _LOOK_BACK)
    quote = paragraph[at]
    return paragraph.rfind(_LOW_QUOTES[quote], back, at) > paragraph.rfind(quote, back, at)


def _ends(paragraph: str, mark: str, start: int, at: int, end: int) -> bool:
    """Whether the mark at `at`, with closing quotes up to `end`, ends the sentence that began at `start`."""
    following = paragraph[end]
    if following in _CONTINUES:
        return False
    if mark[0] in _FULL_STOPS or mark[0] in "།༎":
        return True
    before = paragraph[at - 1 : at]
    if mark[0] == "…":
        if following.isspace():
            return _opens(paragraph, end)
        # An ellipsis between letters of a script with spaces belongs to the word.
        return not (following.isascii() or (following.isalpha() and not _UNSPACED.match(following)))
    if mark[0] in "!?" and _UNSPACED_WORD.search(paragraph, max(0, at - 2), at):
        return True
    if mark[0] == ".":
        if _THAI_OR_KHMER.match(before) or mark == ".." or "…" in mark:
            return False
        if at - start < _ITEM and paragraph[start:at].strip().isdecimal():
            return False
        if is_abbreviation(paragraph, at):
            return False
    return _opens(paragraph, end)


def _opens(paragraph: str, at: int) -> bool:
    """Whether white space and the beginning of a sentence follow: a quote, a digit, a capital letter, or a letter of a
    script without capitals."""
    found = _OPENS.match(paragraph, at)
    if not found:
        return False
    first = found["first"]
    if found.end() - at > 1 and paragraph[found.end() - 2] in _OPENERS:
        return True
    return first.isdigit() or (first.isalpha() and not first.islower()) or first in _OPENERS


def shorten(sentence: str, longest: int = LONGEST) -> list[str]:
    """Pieces of at most `longest` characters, cut after a comma or a space if possible, and never within a grapheme
    cluster."""
    pieces: list[str] = []
    start = 0
    while len(sentence) - start > longest:
        cut = cut_before(sentence, start + longest // 2 + 1, start + longest)
        pieces.append(sentence[start:cut])
        start = cut
    return [*pieces, sentence[start:]]


def joint(left: str, right: str) -> str:
    """The separator when joining two pieces: "" next to Chinese or Japanese, after a dash or inside a hyphenated word,
    else " "."""
    near, far = left[-6:].rstrip(_SHARED)[-1:], right[:6].lstrip(_SHARED)[:1]
    if _UNSPACED.match(near) or _UNSPACED.match(far) or left.endswith("—"):
        return ""
    return "" if left.endswith("-") and left[-2:-1].isalpha() and right[:1].islower() else " "


def join_sentences(sentences: Iterable[str]) -> str:
    """Join sentences into one line, with spaces except next to Chinese and Japanese."""
    pieces: list[str] = []
    for sentence in sentences:
        if pieces:
            pieces.append(joint(pieces[-1], sentence))
        pieces.append(sentence)
    return "".join(pieces)
