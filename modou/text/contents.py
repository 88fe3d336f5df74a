"""Find tables of contents: lines at the front of a document that come again later as headings."""

import re
from dataclasses import dataclass

_LINES = 20_000
_LONGEST, _ENTRY = 80, 50
"""Characters of an entry, at most and as a rule."""
_PROSE = 500
"""Longer lines with which the front ends: a title page and a preface may come before the contents."""
_LEAST = 3
_ALIKE = 8
"""Entries that say the same, such as 1 under each part."""
_MARKER = re.compile(
    r"目\s*[录錄次]|(?:table of )?contents|inhalt(?:sverzeichnis)?|table des matières|sommaire|sommario|[íi]ndice"
    r"|содержание|оглавление|spis treści|inhoud|차례|목차|สารบัญ|الفهرس|विषय सूची",
    re.IGNORECASE,
)
_PAGE = re.compile(r"(?P<leader>(?:\s*[.．·…‥_]){2,}|\t|\s{2,}|\s)\s*[-(（]?\s*(?:\d{1,4}|[ivxlc]{1,7})\s*[-)）]?$")
_NOT_WORDS = re.compile(r"[\W_]+")


def _key(text: str) -> str:
    return _NOT_WORDS.sub("", text).casefold()


@dataclass(frozen=True)
class _Entry:
    """A short line: its number, what it says, whether it ends in a page number, whether it looks like a heading."""

    number: int
    key: str
    paged: bool
    heading: bool


class Contents:
    """The short lines at the front of a document, and which of them come again."""

    def __init__(self) -> None:
        self._front: list[_Entry | None] = []
        """None: a long line."""
        self._places: dict[str, list[int]] = {}
        """Indices in the front of each key."""
        self._again: dict[int, int] = {}
        """The last line that repeats an entry, by the entry's index."""
        self._markers = set[int]()
        self._open, self._prose = True, 0

    def add(self, number: int, text: str, *, apart: bool, title: str | None) -> None:
        """Add a line that is not blank. `title`: of a heading, "" if it has none; None for other lines."""
        short = len(text) <= _LONGEST
        if self._places and short and (apart or title is not None):
            for key in (_key(text), _key(title or "")):
                for index in self._places.get(key, ()) if key else ():
                    self._again[index] = number
        if self._open:
            self._front.append(None)
            self._prose += len(text) > _ENTRY
            self._open = len(self._front) < _LINES and self._prose < _PROSE
            if short:
                self._enter(number, text, title)

    def _enter(self, number: int, text: str, title: str | None) -> None:
        index = len(self._front) - 1
        if _MARKER.fullmatch(text.strip("：: .")):
            self._markers.add(index)
        page = _PAGE.search(text) if text[-1].isalnum() or text[-1] in "-)）" else None
        name = text[: page.start()] if page else text
        leader = page is not None and page["leader"] != " "
        self._front[index] = _Entry(number, _key(name if leader else text), leader, title is not None)
        cut = title[: len(title) - len(text) + len(name)] if title and page else title
        for key in {_key(part) for part in {text, name, cut or ""}}:
            places = self._places.setdefault(key, [])
            if len(places) < _ALIKE:
                places.append(index)

    def found(self) -> set[int]:
        """Numbers of the lines of the tables of contents."""
        taken, run, keys = set[int](), list[int](), set[str]()
        for index, entry in enumerate([*self._front, None]):
            again = entry is not None and self._again.get(index, -1) > entry.number
            fits = (
                entry is not None
                and index not in self._markers
                and (again or ((run or index - 1 in self._markers) and entry.paged))
            )
            if entry is None or not fits or entry.key in keys:
                taken |= self._judged(run)
                run, keys = [], set()
            if entry is not None and fits:
                run.append(index)
                keys.add(entry.key)
        return taken

    def _judged(self, run: list[int]) -> set[int]:
        """The lines of a run, with the line before that announces it, if it is a table of contents."""
        entries = [entry for index in run if (entry := self._front[index]) is not None]
        if len(entries) < _LEAST:
            return set()
        again = sum(self._again.get(index, -1) > entries[-1].number for index in run)
        marker = self._front[run[0] - 1] if run[0] - 1 in self._markers else None
        alike = sum(entry.paged or entry.heading for entry in entries)
        if again < 0.6 * len(entries) or not (marker or alike >= 0.6 * len(entries)):
            return set()
        return {entry.number for entry in (*entries, *filter(None, (marker,)))}
