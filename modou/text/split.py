"""The split into train, validation and test.

By chapters: chapter i (from 1) is test if i mod 20 = 10, validation if i mod 20 = 0. A text of few chapters is cut into
blocks of about 2,000 characters, to which the same rule applies. Of a very short text the last tenth is test, the tenth
before it validation. A sentence longer than a block or than that tenth is cut where a part begins, so that no part of a
text without ends of sentences is empty.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from modou.messages import UserError
from modou.text.cuts import cut_before
from modou.text.report import Note, note

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
Way = Literal["chapters", "blocks", "tail", "given"]

CHAPTERS = 40
"""With fewer chapters the text is split by blocks."""
SHORT = 20_000
"""Characters; in a shorter text the last tenth is test."""
LEAST = 200
"""Characters; a shorter text is rejected."""
BLOCK = 2_000
_CYCLE = 20
_SLACK = 20
"""A long sentence is cut within 1/20 of a block (or a tenth) from the place where a part begins."""


def part_of(index: int) -> Part:
    """The part of chapter or block `index`, counted from 1."""
    match index % _CYCLE:
        case 10:
            return "test"
        case 0:
            return "validation"
        case _:
            return "train"


@dataclass(frozen=True)
class Splitter:
    """The split of one text, from its number of chapters and of characters (line ends not counted)."""

    chapters: int
    characters: int
    given: frozenset[Part] = frozenset()
    """Parts that are texts of their own."""

    def __post_init__(self) -> None:
        if self.characters < LEAST:
            raise UserError("text.too_short", characters=self.characters, least=LEAST)

    @property
    def parts(self) -> set[Part]:
        """The parts that the text is divided into."""
        return set(PARTS) - self.given

    @cached_property
    def way(self) -> Way:
        """The kind of split."""
        if self.parts == {"train"}:
            return "given"
        if self.characters < SHORT:
            return "tail"
        return "chapters" if self.chapters >= CHAPTERS else "blocks"

    @cached_property
    def blocks(self) -> int:
        """Number of blocks, at least 20 so that there is one test and one validation block."""
        return max(_CYCLE, round(self.characters / BLOCK))

    def place(self, chapter: int, start: int, length: int) -> Part:
        """The part of a sentence, given its chapter (from 1), the characters before it, and its length."""
        part = self._place(chapter, start, length)
        return "train" if part in self.given else part

    def _place(self, chapter: int, start: int, length: int) -> Part:
        match self.way:
            case "given":
                return "train"
            case "chapters":
                return part_of(chapter)
            case "blocks":
                # A sentence belongs to the block in which it begins.
                return part_of(start * self.blocks // self.characters + 1)
            case "tail":
                end = start + length
                if end * 10 > self.characters * 9:
                    return "test"
                return "validation" if end * 10 > self.characters * 8 else "train"

    @cached_property
    def _longest(self) -> int:
        """Characters of a sentence that is not cut: a block, or a tenth of a short text."""
        if self.way in ("chapters", "given"):
            return self.characters
        return self.characters // (10 if self.way == "tail" else self.blocks)

    def pieces(self, chapter: int, sentence: str, start: int) -> list[tuple[Part, str]]:
        """The sentence with its part; if it is longer than a block, cut into pieces, each with its part."""
        if len(sentence) <= self._longest:
            return [(self.place(chapter, start, len(sentence)), sentence)]
        result: list[tuple[Part, str]] = []
        at = 0
        for least, most in self._cuts(start, len(sentence)):
            cut = cut_before(sentence, max(least, at + 1), most)
            result.append((self.place(chapter, start + at, cut - at), sentence[at:cut]))
            at = cut
        result.append((self.place(chapter, start + at, len(sentence) - at), sentence[at:]))
        return result

    def _cuts(self, start: int, length: int) -> list[tuple[int, int]]:
        """Where to cut a sentence that begins at `start`: the least and the greatest place of each cut."""
        slack = self._longest // _SLACK
        if self.way == "tail":  # a part is decided by the end of a sentence, thus cut before the edge
            edges = [self.characters * tenths // 10 - start for tenths in (8, 9)]
            cuts = [(edge - slack, edge) for edge in edges]
        else:  # by its start, thus cut after the edge
            first, last = (place * self.blocks // self.characters for place in (start, start + length))
            edges = [-(-block * self.characters // self.blocks) - start for block in range(first + 1, last + 1)]
            cuts = [(edge, edge + slack) for edge in edges]
        return [(max(least, 1), most) for least, most in cuts if 0 < most < length]

    def note(self) -> Note | None:
        """A note on the limits of a split that is not by chapters."""
        match self.way:
            case "chapters" | "given":
                return None
            case "blocks":
                return note("text.note_blocks", chapters=self.chapters, block=self.characters // self.blocks)
            case "tail":
                return note("text.note_tail", characters=self.characters, test=self.characters // 10)
