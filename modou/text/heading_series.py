"""Recognise lines that are headings as members of a series: numbered titles, numerals alone, capitals."""

import re
from dataclasses import replace

from modou.text.heading_dates import dated
from modou.text.headings import Candidate
from modou.text.numerals import CHINESE, WRITTEN, value

DATES, STARS, MARKED, CAPITALS, ARABIC = "word date", "stars", "marked", "capitals", "arabic"
"""Units of dates, of titles after ☆ or # as in Markdown, and of titles in capitals; the beginning of the units of
arabic numbers."""

_LONGEST = 70
_ROMAN = "[IVXLC]{1,8}|[Ⅰ-Ⅻ]"
_NUMBERED = re.compile(
    rf"(?P<open>[(（\[【〔〈<]\s*)?(?:(?P<arabic>\d{{1,4}}|[①-⑳])|(?P<roman>{_ROMAN})|(?P<chinese>[{CHINESE}]{{1,6}}))"
    r"(?P<unit>[章回节節卷话話])?(?P<close>\s*[)）\]】〕〉>])?(?P<mark>\s*[.．、:：)—–-]+(?!\d))?(?P<rest>.*)"
)
_WRITTEN = re.compile(rf"(?P<number>{WRITTEN})(?:\s*[.:—–-]+(?P<rest>.*))?", re.IGNORECASE)
_WORD = re.compile(
    rf"(?P<word>[^\W\d_]{{2,20}})(?:(?:\s+|\.)(?P<number>\d{{1,4}}|{_ROMAN})|\s*(?P<chinese>[{CHINESE}]{{1,6}}))(?!\w)"
    r"(?:\s*[.:：—–-]+)?(?P<rest>.*)"
)
_STAR = re.compile(r"[☆★◆◇]\s*[、,]?\s*[^\W_]")
_BOOK = re.compile(r"《[^《》]{1,30}》")
_MARK = re.compile(r"#{1,6}\s+\S")
_COUNTED = re.compile(rf"[\dIVXLCⅠ-Ⅻ{CHINESE}](?!\w)")
_DASHES = "-—–~*·• "
_ENDS = tuple("。，；、,;.")


def serial(line: str) -> Candidate | None:
    """Parse a line as a member of a series; `unit` names the series. None if it does not look like one."""
    whole = line.strip()
    text = whole.lstrip("#☆★◆◇■●※、 ")
    if not text or len(text) > _LONGEST:
        return None
    found = None if text[0].islower() else _counted(text)
    if found is None and text != whole:
        found = _marked(text, whole)
    if found is None and (_BOOK.fullmatch(text) if text[0] == "《" else _is_in_capitals(text)):
        found = _made(text, CAPITALS, "", None)
    return found and replace(found, heading=whole)


def _counted(text: str) -> Candidate | None:
    return _dated(text) or _numbered(text) or _dashed(text) or _written(text) or _worded(text)


def _marked(text: str, whole: str) -> Candidate | None:
    """A title after a mark."""
    if _STAR.match(whole):
        return _made(text, STARS, "", None)
    return _made(text, MARKED, "", None) if _MARK.match(whole) else None


def _is_in_capitals(text: str) -> bool:
    return text.isupper() and sum(map(str.isalpha, text)) >= 3 and not text.endswith((*_ENDS, "!"))


def _made(text: str, unit: str, title: str, number: int | None) -> Candidate:
    return Candidate("title" if title else "bare", text, "", unit, "", "", title, number)


def _dated(text: str) -> Candidate | None:
    found = dated(text)
    return found and _made(text, DATES, found[1], found[0])


def _dashed(text: str) -> Candidate | None:
    """A numeral between dashes."""
    inner = text.strip(_DASHES)
    found = _numbered(inner) if text[0] in _DASHES and text[-1] in _DASHES and inner else None
    return replace(found, unit=f"{found.unit} dashed") if found and found.form == "bare" else None


def _is_title(text: str) -> bool:
    return not text[0].islower() and not text.endswith(_ENDS) and any(map(str.isalpha, text))


def _numbered(text: str) -> Candidate | None:
    found = _NUMBERED.match(text)
    if not found or (bool(found["open"]) != bool(found["close"]) and (found["close"] or "").strip() not in (")", "）")):
        return None
    script = next(name for name in ("arabic", "roman", "chinese") if found[name])
    mark = (found["mark"] or found["close"] or "").strip()
    rest, title = found["rest"], found["rest"].strip()
    if title and not (mark or rest[0].isspace()):
        return None
    if title and not _is_title(title):
        return None
    unit = script + (found["open"] or "").strip() + (found["unit"] or "") + mark[:1]
    if unit == script and title:
        unit += " title"
    return _made(text, unit, title, value(found[script]))


def _written(text: str) -> Candidate | None:
    found = _WRITTEN.fullmatch(text)
    title = ((found and found["rest"]) or "").strip()
    if not found or (title and not _is_title(title)):
        return None
    return _made(text, "written", title, value(found["number"]))


def _worded(text: str) -> Candidate | None:
    """A number after a word that all members of the series share."""
    found = _COUNTED.search(text) and _WORD.match(text)
    if not found:
        return None
    title = found["rest"].strip()
    if title and not (_is_title(title) and text[found.start("rest") - 1] in ".:：—–- "):
        return None
    return _made(text, f"word {found['word'].casefold()}", title, value(found["number"] or found["chinese"]))
