"""Find page numbers: numbers alone on a line that rise at about even distances over the document."""

import itertools
import re
from dataclasses import dataclass
from statistics import median

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
_LEAST_PAGE = 40
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


class Pages:
    """The numbers alone on a line of a document, in order."""

    def __init__(self) -> None:
        self._forms: dict[str, list[tuple[int, int, int]]] = {}
        self._count = 0

    def add(self, number: int, position: int, page: PageNumber) -> None:
        """Add line `number` with `position` characters of text before it."""
        if self._count < _KEPT:
            self._count += 1
            self._forms.setdefault(page.form, []).append((number, page.value, position))

    def found(self) -> set[int]:
        """Numbers of the lines that are page numbers. A plain number needs two like it, and even distances."""
        taken = set[int]()
        for form, places in self._forms.items():
            chain = _chain(places)
            clear = _CLEAR.search(form) and len(chain) >= 2
            if clear or (len(chain) >= 3 and 2 * len(chain) >= len(places) and _even(chain)):
                taken |= {number for number, _, _ in chain}
        return taken


def _chain(places: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
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
    chain = list[tuple[int, int, int]]()
    at: int | None = max(ends, key=lambda one: one[0])[1] if ends else None
    while at is not None:
        chain.append(places[at])
        at = before[at]
    return chain[::-1]


def _even(chain: list[tuple[int, int, int]]) -> bool:
    steps = [(b[2] - a[2]) / (b[1] - a[1]) for a, b in itertools.pairwise(chain)]
    middle = median(steps)
    near = sum(0.4 * middle <= step <= 2.5 * middle for step in steps)
    return middle >= _LEAST_PAGE and near >= 0.6 * len(steps)
