"""Writes compare.json and compare.html."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modou.messages import Language
from modou.report import values as v
from modou.report.compared import COMPARE_HTML, COMPARE_JSON
from modou.report.compared.answers import answers
from modou.report.compared.asked import asked
from modou.report.compared.bars import forgetting, wins
from modou.report.compared.distance import distance
from modou.report.compared.headline import headline
from modou.report.compared.length import length
from modou.report.compared.measures import measures, unknown
from modou.report.compared.runs import Compared
from modou.report.page import numbered
from modou.report.words import Words
from modou.storage import user_errors, write_json_atomically, write_text_atomically

SECTIONS = (measures, unknown, wins, distance, length, forgetting, answers, asked)
"""In the order of the page."""


def write_compared(found: Mapping[str, Any], folder: Path, language: Language) -> Path:
    """Writes compare.html and compare.json into `folder` atomically. Returns the path of the page.

    NaN and infinities become null. UserError: the folder cannot be written.
    """
    clean = v.finite(found)
    with user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / COMPARE_HTML
    write_text_atomically(path, compared_page(clean, language))
    write_json_atomically(folder / COMPARE_JSON, clean)  # last: its existence marks the comparison as done
    return path


def compared_page(found: Mapping[str, Any], language: Language) -> str:
    """The page as HTML text, a pure function of its arguments."""
    page = Compared(found, Words(language))
    sections = [section for build in SECTIONS if (section := build(page))]
    return numbered(page.words, page.words("compared_page_title"), headline(page), sections)
