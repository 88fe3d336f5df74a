"""Find page numbers: numbers alone on a line that rise at about even distances over the document."""

import itertools
import re
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

_KEPT = 100_000
_LONGEST = 30
_PAGE = re.compile(
    r"(?P<before>[-—–·•~\[\]（(【《<]*\s*(?:第\s*|page\s+|p\.\s*)?)(?P<number>\d{1,5})(?P<after>\s*(?:页|頁)?(?:\s*(?:/|of|共)\s*\d{1,5}\s*(?:页|頁)?)?"
    r"\s*[-—–·•~\[\]）)】》>]*)",
    re.IGNORECASE,
)
_CLEAR = re.compile("page|p\\.|页|頁|^[-—–·•~].*[-—–·•~]$")
"""Forms that nothing but a page number has."""
_STEP = 5
"""Pages that may lack a number in between."""
_LEAST_PAGE = 80
"""Characters between two page numbers, at the median."""


@dataclass(frozen=True)
class PageNumber:
    """A number alone on a line. `form`: what stands around it; "" for a number without a mark."""

    form: str
    value: int


def page_number(line: str) -> PageNumber | None:
    """Parse a line as a page number; None if it does not look like one."""
    text = line.strip()
    found = _PAGE.fullmatch(text) if 0 < len(text) <= _LONGEST else None
    if not found:
        return None
    form = re.sub(r"\s|\d", "", found["before"] + "0" + found["after"])
    return PageNumber(form.casefold(), int(found["number"]))


class _Place(NamedTuple):
    number: int
    value: int
    position: int


class Pages:
    """The numbers alone on a line of a document, in order."""

    def __init__(self) -> None:
        self._forms: dict[str, list[_Place]] = {}
        self._count = 0

    def add(self, number: int, position: int, page: PageNumber) -> None:
        """Add line `number` with `position` characters of text before it."""
        if self._count < _KEPT:
            self._count += 1
            self._forms.setdefault(page.form, []).append(_Place(number, page.value, position))

    def found(self, total: int) -> set[int]:
        """Numbers of the lines that are page numbers, in a document of `total` characters.

        A number without a clear mark needs two like it, at even distances over the document.
        """
        taken = set[int]()
        for form, places in self._forms.items():
            chain = _chain(places)
            if _CLEAR.search(form):
                pairs = [pair for pair in itertools.pairwise(places) if 0 < pair[1].value - pair[0].value <= _STEP]
                taken |= {one.number for one in itertools.chain.from_iterable(pairs)}
                taken |= {one.number for one in chain} if len(chain) >= 2 else set()
            elif len(chain) >= 3 and 2 * len(chain) >= len(places) and _even(chain, total):
                taken |= {one.number for one in chain}
        return taken


def _chain(places: list[_Place]) -> list[_Place]:
    """The longest sequence that rises by one, or by little more where numbers are missing."""
    longest: dict[int, tuple[int, int]] = {}
    before: list[int | None] = []
    ends = list[tuple[int, int]]()
    for index, (_, value, _) in enumerate(places):
        candidates = [longest[value - step] for step in range(1, _STEP + 1) if value - step in longest]
        length, previous = max(candidates, key=lambda one: one[0], default=(0, None))
        before.append(previous)
        ends.append((length + 1, index))
        if value not in longest or longest[value][0] <= length + 1:
            longest[value] = (length + 1, index)
    chain = list[_Place]()
    at: int | None = max(ends, key=lambda one: one[0])[1] if ends else None
    while at is not None:
        chain.append(places[at])
        at = before[at]
    return chain[::-1]


def _even(chain: list[_Place], total: int) -> bool:
    """Whether they stand at even distances over the document, and are no years."""
    steps = [(after.position - one.position) / (after.value - one.value) for one, after in itertools.pairwise(chain)]
    middle = median(steps)
    near = sum(0.4 * middle <= step <= 2.5 * middle for step in steps) >= 0.6 * len(steps)
    over = chain[-1].position - chain[0].position + 2 * middle >= 0.5 * total
    years = chain[0].value >= 1000 and len(chain) < 100
    return middle >= _LEAST_PAGE and near and over and not years
