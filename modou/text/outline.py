"""Decide by the whole document which lines are headings: its unit, numbers that rise, lines that stand apart."""

import itertools
from collections import Counter
from dataclasses import dataclass
from statistics import median

from modou.text.heading_series import ARABIC, CAPITALS, MARKED, STARS
from modou.text.headings import Candidate

_KEPT = 100_000
"""Candidates of a document that are compared; of the labelled ones beyond these none is refused."""
_PARTS = frozenset("卷部集篇幕") | {"part", "book", "volume", "vol", "act"}
_CHAPTERS = frozenset(("章", "chapter"))
_CLOSE = 30
"""Characters; members of a series that are closer are a list or a table of contents."""
_CLOSE_TO = 100
"""Characters between the title of the only part and the chapter that follows."""
_APART = 300
"""Characters between headings in a unit of which the document has few."""
_LEAST_GAP = 100
_PREFACE = 5_000
_OPENING = 1_000
"""Characters before the first title that is told by its capitals alone, at most."""
_LONGEST = 40_000
"""Characters of a chapter whose title is told by its capitals alone."""
_ANY = 10_000_000
_DEPTH = 8
_SHOWN = 3
_LEAST = 3


@dataclass(frozen=True)
class Item:
    """A candidate of the document. `position`: characters of text before it."""

    number: int
    position: int
    unit: str
    value: int | None
    form: str
    key: str
    apart: bool
    """Whether it follows a blank line or the end of a sentence."""
    blank: bool
    """Whether it follows a blank line or begins the document."""
    ended: bool
    """Whether the text before it ends a sentence."""


def item(number: int, position: int, found: Candidate, *, blank: bool, ended: bool) -> Item:
    """Make an item of a candidate."""
    key = found.heading[:80] if found.unit == CAPITALS else found.number
    return Item(number, position, found.unit, found.value, found.form, key, blank or ended, blank, ended)


class Outline:
    """The candidates of a document, in order."""

    def __init__(self) -> None:
        self.labelled: list[Item] = []
        """Those whose label says that they are headings, such as Chapter 3."""
        self.series: dict[str, list[Item]] = {}
        """Those that are headings only as members of a series, by series."""
        self.seen: list[str] = []
        """The first few."""
        self._count = 0

    def add(self, one: Item, text: str, *, labelled: bool) -> None:
        """Add the next candidate."""
        if len(self.labelled) + self._count >= _KEPT:
            return
        if len(self.seen) < _SHOWN and one.unit != CAPITALS:
            self.seen.append(text)
        if labelled:
            self.labelled.append(one)
        else:
            self._count += 1
            self.series.setdefault(one.unit, []).append(one)

    def refused(self, contents: set[int]) -> set[int]:
        """Numbers of the labelled lines that are prose: of another unit than the document's, or out of order."""
        items = [one for one in self.labelled if one.number not in contents and one.unit != "opening"]
        counts = Counter(_class(one) for one in items)
        if not counts:
            return set()
        chapters = Counter({unit: count for unit, count in counts.items() if unit not in _PARTS and unit != "part"})
        main = max(chapters or counts, key=counts.__getitem__)
        mains = [one for one in items if _class(one) == main]
        rising = {unit for unit in counts if unit != main and _rise([one for one in items if _class(one) == unit])}
        others = [one for one in items if _class(one) != main]
        refused = {one.number for one in others if not _belongs(one, main, counts, mains, rising)}
        return refused | _misfits([one for one in items if one.number not in refused]) | _unknown(items)

    def kept(self, refused: set[int]) -> set[int]:
        """Numbers of the labelled lines that are headings."""
        glued = Counter(one.unit for one in self.labelled if one.form == "glued")
        return {one.number for one in self.labelled if one.form != "glued" or glued[one.unit] >= 2} - refused

    def members(self, contents: set[int], refused: set[int], total: int) -> set[int]:
        """Numbers of the lines that are headings as members of a series, in a document of `total` characters."""
        kept = self.kept(refused | contents)
        labelled = [one for one in self.labelled if one.number in kept and one.unit != "opening"]
        nested = sum(_class(one) not in _PARTS and _class(one) != "part" for one in labelled) >= 2
        accepted = set[int]()
        for unit, items in self.series.items():
            bare = all(one.form == "bare" for one in items)
            if unit in (MARKED, STARS):
                accepted |= _marked(items)
            elif unit != CAPITALS and (bare or not nested):
                listed = [one for one in items if one.number not in contents]
                accepted |= _risen(listed, total, nested=nested, parts=bool(labelled))
        if not accepted and not labelled:
            capitals = [one for one in self.series.get(CAPITALS, ()) if one.number not in contents]
            accepted = _capitals(capitals, total)
        return accepted


def _marked(items: list[Item]) -> set[int]:
    """Titles after a mark: all of them, where they stand apart with some text between; what stands after # without a
    blank line before may be a remark in code."""
    gaps = [after.position - one.position for one, after in itertools.pairwise(items)]
    apart = sum(one.blank or (one.apart and one.unit == STARS) for one in items) >= 0.9 * len(items)
    return {one.number for one in items} if apart and gaps and median(gaps) >= _LEAST_GAP else set()


def _class(one: Item) -> str:
    return "chapter" if one.unit in _CHAPTERS else "part" if one.unit in _PARTS else one.unit


def _word(one: Item) -> str:
    """The word or character that its number counts."""
    return one.unit if len(one.unit) == 1 else one.key.partition(" ")[0].casefold()


def _belongs(one: Item, main: str, counts: Counter[str], mains: list[Item], rising: set[str]) -> bool:
    """Whether a candidate in another unit than the document's main one is a heading, too."""
    count = counts[_class(one)]
    if _class(one) == "part":
        return count >= 2 or any(0 <= other.position - one.position <= _CLOSE_TO for other in mains)
    return count >= 2 and one.form != "glued" and (2 * count >= counts[main] or _class(one) in rising)


def _rise(items: list[Item]) -> bool:
    """Whether they count from 1 with some text between."""
    gaps = [after.position - one.position for one, after in itertools.pairwise(items)]
    return bool(gaps) and median(gaps) >= _APART and [one.value for one in items] == [*range(1, len(items) + 1)]


def _misfits(items: list[Item]) -> set[int]:
    """Those whose number stands between two that follow one another, such as 7, 3, 8."""
    words = Counter(map(_word, items))
    most, times = words.most_common(1)[0] if words else ("", 0)
    by_unit: dict[str, list[Item]] = {}
    for one in items:
        alone = words[_word(one)] == 1 and times >= _LEAST
        by_unit.setdefault(most if alone else _word(one), []).append(one)
    found = set[int]()
    for alike in by_unit.values():
        before = alike[0].value
        for one, after in itertools.pairwise(alike):
            known = None not in (before, one.value, after.value)
            follows = known and before is not None and after.value == before + 1
            if follows and one.value not in (before, after.value) and one.form != "inline":
                found.add(one.number)
            else:
                before = one.value
    return found


def _unknown(items: list[Item]) -> set[int]:
    """Those with a word for an ordinal that is not known, unless several stand apart."""
    found = [one for one in items if one.value is None and one.unit in ("chapter", "part")]
    return set[int]() if sum(one.apart for one in found) >= 2 else {one.number for one in found}


def _spaced(items: list[Item]) -> list[Item]:
    """Those that stand apart from the text and from one another."""
    kept = list[Item]()
    for index, one in enumerate(items):
        near = [*items[max(0, index - 1) : index], *items[index + 1 : index + 2]]
        if one.apart and all(abs(other.position - one.position) >= _CLOSE for other in near):
            kept.append(one)
    return kept


def _spread(items: list[Item], total: int) -> bool:
    """Whether the text is divided by them, with some text between."""
    if len(items) < _LEAST:
        return False
    gaps = [after.position - one.position for one, after in itertools.pairwise(items)]
    begins = items[0].position <= max(_PREFACE, total // 4)
    return median(gaps) >= _LEAST_GAP and begins and items[-1].position * 10 >= total * 3


def _risen(items: list[Item], total: int, *, nested: bool, parts: bool) -> set[int]:
    runs = [run for run in _runs(_spaced(items)) if len(run) >= 2 and (run[0].value in (0, 1) or len(run) >= 5)]
    found = sorted((one for run in runs for one in run), key=lambda one: one.number)
    if nested and any(run[0].value != 1 for run in runs):
        return set()
    if not (parts or any(len(run) >= _LEAST for run in runs)) or not _spread(found, total):
        return set()
    if found[0].unit.startswith(ARABIC) and all(one.form == "bare" for one in found) and not _divides(found):
        return set()
    return {one.number for one in found}


def _divides(items: list[Item]) -> bool:
    """Whether plain numbers are headings, not page numbers: they begin the text, and sentences end before them."""
    gap = median(after.position - one.position for one, after in itertools.pairwise(items))
    ended = sum(one.ended for one in items) >= 0.9 * len(items)
    return ended and items[0].value in (0, 1) and items[0].position < gap / 2


def _runs(items: list[Item]) -> list[list[Item]]:
    """Rising sequences. One may be nested in another, and a new one begins at 1."""
    done, open_runs = list[list[Item]](), list[list[Item]]()
    for one in items:
        if one.value is None:
            continue
        exact = [run for run in open_runs if (run[-1].value or 0) + 1 == one.value]
        rising = [run for run in open_runs[-1:] if (run[-1].value or 0) < one.value <= _reach(run[-1])]
        goes_on = exact[-1:] or (rising if one.value != 1 else [])
        if goes_on:
            goes_on[0].append(one)
            del open_runs[open_runs.index(goes_on[0]) + 1 :]
        elif one.value <= 1 or not open_runs:
            run = [one]
            done.append(run)
            open_runs = [*open_runs[-_DEPTH:], run]
    return done


def _reach(one: Item) -> int:
    """The greatest number that may follow: any after a word or unit, else one may be missing."""
    named = one.unit.startswith("word") or one.unit[-1] in "章回节節卷话話"
    return _ANY if named else (one.value or 0) + 2


def _capitals(items: list[Item], total: int) -> set[int]:
    found = [one for one in _spaced(items) if one.blank]
    different = len({one.key for one in found}) >= 0.8 * len(found)
    places = [*(one.position for one in found), total]
    even = max((after - one for one, after in itertools.pairwise(places)), default=0) <= max(_LONGEST, total // 2)
    begins = places[0] <= max(_OPENING, total // 20)
    return {one.number for one in found} if different and even and begins and _spread(found, total) else set()
