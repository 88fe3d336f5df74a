"""Decide what a line of a file is: part of a paragraph of prose, a unit of its own, or code.

A line is a unit in verse, plays, chats, lists and logs. The decision rests on counts over the whole file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from modou.settings.text import Layout
from modou.text.headings import Heading, candidate

_SAMPLE = 20_000
"""Lines looked at, to bound time and memory."""
_SHORT = 60
"""Characters of a line of verse, or of a heading, at most."""
_LEAST = 6
"""Lines; fewer do not show a pattern."""
_ENDS = re.compile(r"[。！？!?….؟۔।॥።։;；:：][”’」』】）》\"')\]]*$")
_STOP = re.compile(r"[。！？!?؟۔।॥።։.…](?:(?<![.…])|(?=\s|$|[”’\"')]))")
_NAME = r"[^\s:：,，。.!?！？\"“「]{1,24}"
_LABEL = re.compile(
    rf"(?P<name>{_NAME}(?: {_NAME}){{0,2}})[:：](?:$|\s*[^\s\d/。，.,!?！？:：])"
    r"|<[@+%~& ]?(?P<nick>[^\s<>/]{1,24})>\s+\S"
)
_NUMBERED = re.compile(
    r"(?:\d{1,3}|[a-zA-Z])[.)、．]\s*\S|[-*•·+]\s+\S.*[^.!?。！？…”\"]$|\[[ xX]\]|☐|\d+(?:[.,/]\d+)?\s*$"
)
_NUMBER = re.compile(r"[\[(]?(\d{1,4})(?![\d:/-])")
_STAMP = re.compile(r"[\[(<]?\d{1,4}[-/.:年]\d{1,2}(?:[-/.:月]\d{1,4})?|\[?[A-Z]{4,8}\]?[:\s]\s*|\d{5,}\b")
_CODE = re.compile(
    r"\s*(?:(?:def|class|import|from|return|if|elif|else|for|while|try|except|with|public|private|static|void|int|const|let"
    r"|var|function|func|fn|struct|package|use|using|namespace|print|printf|self)\b.*[(:{=;)]\s*$|#include\b|@\w+"
    r"|[\w.\[\]\"']+\s*[-+*/|]?=\s*\S.*|[\w.]+\([^。]*\)[;:{]?\s*$|[}\])]+[;,)]*\s*$|//|/\*|.*[{;]\s*$|import\s+[\w.]+$"
    r"|from\s+[\w.]+\s+import\b|return\b[^.。]*$"
    r"|#!/|(?:for|while|until|if|elif|else)\b.*;\s*(?:do|then)\s*$|(?:done|fi|esac)\s*;?\s*$)"
)
_OPENS = re.compile(r"[(\[{:]\s*$|\b(?:do|then|else)\s*$")


@dataclass(frozen=True)
class Decision:
    """The layout of a file. `reason`: the message text.layout_REASON."""

    layout: Layout
    reason: str


class LineShape:
    """Counts over the lines of a file, gathered while they pass."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.labels: Counter[str] = Counter()
        self.ended = self.numbered = self.stamped = self.code = self.capitals = 0
        self.characters = self.stops = self.begun_low = self.indented = 0
        self.even = self.rising = 0
        """Lines of one sentence at most, as long as the one before; lines that begin with the number after the last
        line's."""
        self._last: int | None = None
        self._text = ""
        self.marked = False
        """Whether the format says where texts begin, as rows of data do."""
        self.groups: list[int] = [0]
        """Lines between blank lines."""
        self._block: int | None = None
        """The indentation of the line of code that opened the block that the last line is in."""

    def watch(self, lines: Iterable[str | Heading]) -> Iterator[str | Heading]:
        """The same lines; the first ones are counted, but for headings."""
        lines = iter(lines)
        for line in lines:
            self.marked = self.marked or isinstance(line, Heading)
            if isinstance(line, str):
                text = line[:2000].strip()
                if not text and self.groups[-1]:
                    self.groups.append(0)
                if text and not (len(text) <= _SHORT and candidate(text)):
                    self._count(line[:2000], text)
            yield line
            if len(self.lengths) == _SAMPLE:
                yield from lines

    def _count(self, line: str, text: str) -> None:
        stops = len(_STOP.findall(text))
        self.even += self.lengths[-1:] == [len(text)] and stops <= 1 and text != self._text
        self._text = text
        self.lengths.append(len(text))
        self.groups[-1] += 1
        self.characters += len(text)
        self.stops += stops
        self.ended += bool(_ENDS.search(text))
        self.indented += line.startswith("\u3000")
        self.begun_low += text[0].islower()
        if label := _LABEL.match(text):
            self.labels[label["name"] or label["nick"]] += 1
        self.numbered += bool(_NUMBERED.match(text))
        number = _NUMBER.match(text)
        value = int(number[1]) if number else None
        self.rising += value is not None and value - 1 == self._last
        self._last = value
        self.stamped += bool(_STAMP.match(text))
        self.code += self._is_code_line(line, text)
        self.capitals += len(text) <= _SHORT and text.isupper()

    def _is_code_line(self, line: str, text: str) -> bool:
        """Whether it looks like code, or stands in a block of code."""
        indent = len(line) - len(line.lstrip())
        if self._block is not None and indent > self._block:
            return True
        code = bool(_CODE.match(line)) and not text.endswith(("。", "”", ","))
        self._block = indent if code and _OPENS.search(text) else None
        return code

    def decide(self, wrapped: bool, sentences: bool) -> Decision:
        """The layout. `wrapped`: the lines were found to be parts of paragraphs; `sentences`: one sentence each."""
        count = len(self.lengths)
        if self._is_code(count):
            return Decision("exact", "code")
        if count and self.stops * 500 < self.characters:
            return Decision("lines", "no_stops")
        speakers = [times for times in self.labels.values() if times > 2]
        said = sum(speakers)
        if len(speakers) > 1 and 2 * said >= count and len(self.labels) * 3 <= count:
            return Decision("lines", "labels")
        if wrapped or count < _LEAST:
            return Decision("prose", "prose")
        if 2 * self.rising >= count and max(self.lengths) <= 600:
            return Decision("lines", "list")
        if median(self.lengths) <= 100:
            if 2 * self.stamped >= count:
                return Decision("lines", "stamps")
            if (self.numbered + self.capitals + said) * 3 >= count and max(self.lengths) <= 600:
                return Decision("lines", "list")
            if self._is_verse(count, sentences):
                return Decision("lines", "verse")
        return Decision("prose", "sentences" if sentences else "prose")

    def _is_code(self, count: int) -> bool:
        return count >= _LEAST and 2 * self.code >= count

    def _is_verse(self, count: int, sentences: bool) -> bool:
        """Short lines that begin anew with a capital letter: of equal lengths, or of which many do not end a sentence;
        or stanzas."""
        width = sorted(self.lengths)[count * 95 // 100]
        paragraphs = 2 * self.indented >= count  # as Chinese and Japanese prose begins them
        if paragraphs or width > _SHORT or 4 * self.begun_low > count or count < 2 * _LEAST:
            return False
        groups = [size for size in self.groups if size]
        stanzas = len(groups) >= 3 and sum(2 <= size <= 16 for size in groups) * 5 >= 4 * len(groups)
        poems = not sentences or sum(size <= 16 for size in groups) * 5 >= 4 * len(groups)
        if 5 * self.even >= 2 * count and not self.marked and poems:
            return True
        return (5 * self.ended <= 4 * count) if stanzas else (2 * self.ended <= count)
