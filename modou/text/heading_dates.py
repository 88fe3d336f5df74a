"""Dates that stand on a line as headings of a diary do, in many languages: "三月五日 晴", "Monday, 3 May 1899"."""

import re
from datetime import date

from modou.text.numerals import CHINESE, value

_MONTHS = (
    "jan ene gen янв",
    "feb fév fev фев",
    "mar mär мар",
    "apr abr avr апр",
    "may mai mag maj мая май",
    "jun juin giu июн",
    "jul juil lug июл",
    "aug ago aoû авг",
    "sep set сен",
    "oct okt ott out окт",
    "nov ноя",
    "dec dez dic déc дек",
)
_NUMBER = {stem: number for number, stems in enumerate(_MONTHS, start=1) for stem in stems.split()}
_YEAR = r"(?P<year>\d{4})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|\.)?"
_NAME = r"(?P<name>[^\W\d_]{3,10})\.?"
_FORMS = [
    re.compile(rf"(?:[^\W\d_]{{2,10}}\.?,?\s+)?(?:{form})(?!\w)(?P<rest>[^。！？!?]{{0,30}})")
    for form in (
        rf"(?:(?P<year>\d{{4}}|[{CHINESE}]{{4}})\s?年\s?)?(?P<month>\d{{1,2}}|[{CHINESE}]{{1,2}})\s?月\s?"
        rf"(?P<day>\d{{1,2}}|[{CHINESE}]{{1,3}})\s?[日号號]",
        rf"{_YEAR}(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}})",
        rf"(?P<day>\d{{1,2}})(?P<mark>[./])(?P<month>\d{{1,2}})(?P=mark){_YEAR}",
        rf"{_DAY}\s+(?:of\s+|de\s+)?{_NAME}(?:,?\s+(?:de\s+)?{_YEAR})?",
        rf"{_NAME}\s+{_DAY}(?:,?\s+{_YEAR})?",
    )
]
_HINT = re.compile(r"\d|月")
_LEAP = 2000
_STOPS = tuple(".,;，、；")


def dated(text: str) -> tuple[int, str] | None:
    """The number of the day that a line begins with, and what follows the date; None if the line is prose or no date. A
    date without a year is taken to be of one and the same year."""
    if not _HINT.search(text):
        return None
    for form in _FORMS:
        found = form.fullmatch(text)
        if found and not text.endswith(_STOPS):
            day = _day(found.groupdict())
            return None if day is None else (day, found["rest"].strip())
    return None


def _day(parts: dict[str, str | None]) -> int | None:
    name = (parts.get("name") or "").casefold()
    stem = next((name[:size] for size in (4, 3) if name[:size] in _NUMBER), "")
    month = _NUMBER.get(stem) if name else value(parts["month"] or "")
    year = parts["year"] or ""
    try:
        return date(value(year) or _LEAP, month or 0, value(parts["day"] or "") or 0).toordinal()
    except ValueError:
        return None
