"""Hard-wrapped lines: their width, and the words that are broken at their ends."""

import re
from collections import Counter, deque
from dataclasses import dataclass
from functools import cached_property

from modou.text.sentences import OTHER_STOPS, has_stop

_LEAST_LINES = 12
_LETTERS = 100_000
_LETTER = re.compile(r"[^\W\d_]")
_UNSPACED = re.compile("[\u3041-\u30ff\u3400-\u9fff]")
_ENDS = f"。！？…；”’」』）.!?\"'»{OTHER_STOPS}"
_MARKS = f"{_ENDS}，、：,;:،؛"
_STOPS = 0.05
"""Least share of lines with a stop in prose."""

HYPHENS = ("-", "\u2010")
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_LAST = re.compile(rf"(?:{_WORD.pattern})(?=[-\u2010]$)")
_WORDS, _PAIRS, _EARLY, _LINE = 200_000, 10_000, 2_000, 200


@dataclass(frozen=True)
class Wrap:
    """Hard-wrapped lines. `width`: in characters; `chinese`: without spaces between words."""

    width: int
    chinese: bool


class Lengths:
    """Line lengths, to distinguish hard-wrapped prose from unwrapped paragraphs and verse."""

    def __init__(self) -> None:
        self.all: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()
        self.marked: Counter[int] = Counter()
        self.chinese = self.letters = self.low = self.seen = self.stops = 0

    def add(self, line: str) -> None:
        length = len(line)
        self.all[length] += 1
        self.ended[length] += line[-1] in _ENDS
        self.marked[length] += line[-1] in _MARKS
        first = line.lstrip()[0]
        self.low += first.isalpha() and not first.isupper()
        if self.letters < _LETTERS:
            head = line[:200]
            self.seen += 1
            self.stops += has_stop(line)
            self.chinese += len(_UNSPACED.findall(head))
            self.letters += len(_LETTER.findall(head))

    def wrap(self) -> Wrap | None:
        """The width at which most lines break without ending a sentence, or None."""
        lines = self.all.total()
        if lines < _LEAST_LINES or not self.letters or self.stops < _STOPS * self.seen:
            return None
        chinese = self.chinese * 2 > self.letters
        width, above = 0, lines * 0.02
        for length in sorted(self.all, reverse=True):
            width = length
            above -= self.all[length]
            if above < 0:
                break
        low, high = (12, 100) if chinese else (40, 100)
        if not low <= width <= high or max(self.all) > 2 * width + 20:
            return None
        full = range(width - 2 if chinese else width * 3 // 4, width + 3)
        count = sum(self.all[length] for length in full)
        ended = sum(self.ended[length] for length in full)
        marked = sum(self.marked[length] for length in full)
        if count < 0.4 * lines or ended > 0.4 * count:
            return None
        if chinese:
            return Wrap(width, True) if marked <= 0.5 * count else None
        return Wrap(width, False) if self.low >= 0.3 * lines else None


class Hyphens:
    """The words of a document, to tell a hyphen that divides a word at a line's end from one that belongs to it.

    Words are gathered only if a line ends in a hyphen, from the lines shortly before it on; memory is bounded."""

    def __init__(self) -> None:
        self._words = set[str]()
        self._pairs: list[tuple[str, str]] = []
        self._early: deque[str] | None = deque(maxlen=_EARLY)
        self._stem = ""

    def add(self, line: str) -> None:
        """Add the next line, stripped."""
        stem, self._stem = self._stem, ""
        if stem and (found := _WORD.match(line)):
            if len(self._pairs) < _PAIRS:
                self._pairs.append((stem, found.group()))
            line = line[found.end() :]
        if line.endswith(HYPHENS) and (found := _LAST.search(line, max(0, len(line) - _LINE))):
            self._stem = found.group()
            line = line[: found.start()]
            early, self._early = self._early, None
            for earlier in early or ():
                self._gather(earlier)
        if self._early is None:
            self._gather(line)
        elif len(line) <= _LINE:
            self._early.append(line)

    def divides(self, left: str, right: str) -> bool:
        """Whether the hyphen at the end of `left` divides a word that goes on in `right`, as it is spelt elsewhere in
        the document, or as most such words are."""
        stem, rest = _LAST.search(left, max(0, len(left) - _LINE)), _WORD.match(right)
        if not stem or not rest:
            return False
        whole = self._is_whole(stem.group(), rest.group())
        if whole is not None:
            return whole
        parts = {stem.group().lower(), rest.group().lower()}
        return self._usual or not parts <= self._words

    @cached_property
    def _usual(self) -> bool:
        """Whether more hyphens at line ends divide words than belong to them."""
        verdicts = Counter(self._is_whole(stem, rest) for stem, rest in self._pairs)
        return verdicts[True] > verdicts[False]

    def _is_whole(self, stem: str, rest: str) -> bool | None:
        """Whether the document has the word without the hyphen, and not with it; None if it has neither."""
        if f"{stem}-{rest}".lower() in self._words:
            return False
        return True if f"{stem}{rest}".lower() in self._words else None

    def _gather(self, line: str) -> None:
        if len(self._words) < _WORDS:
            self._words.update(_WORD.findall(line.lower().replace("\u2010", "-")))
