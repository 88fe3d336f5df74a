"""Whether Chinese characters rhyme in modern Mandarin, by the pinyin finals of any of their readings.

Tang poets rhymed by another pronunciation: 70 to 80 % of real poems rhyme by this measure.
"""

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from modou.messages import UserError

MERGES: tuple[tuple[str, ...], ...] = (
    ("a", "ia", "ua"),
    ("o", "uo", "e"),
    ("ie", "üe", "ê"),
    ("ai", "uai"),
    ("ei", "uei", "ui"),
    ("ao", "iao"),
    ("ou", "iou", "iu"),
    ("an", "ian", "uan", "üan"),
    ("en", "in", "uen", "un", "ün"),
    ("ang", "iang", "uang"),
    ("eng", "ing", "ueng"),
    ("ong", "iong"),
    ("i", "ü", "er"),
    ("-i",),
    ("u",),
)
"""Finals that rhyme with one another (the thirteen tracks of northern verse, but eng and ong apart)."""
_BUZZED = dict.fromkeys(("zhi", "chi", "shi", "ri", "zi", "ci", "si"), "-i")
"""Syllables in which written i is another vowel."""
_GROUP = {final: number for number, group in enumerate(MERGES) for final in group}


@functools.cache
def _pypinyin() -> Any:
    try:
        return import_module("pypinyin")
    except ImportError:
        raise UserError("tasks.pypinyin_missing") from None


@functools.cache
def groups(character: str) -> frozenset[int]:
    """Rhyme groups of all readings; empty if there is none."""
    module = _pypinyin()
    readings = module.pinyin(character, style=module.Style.NORMAL, heteronym=True, errors="ignore")
    finals_of: Callable[[str], str] = import_module("pypinyin.contrib.tone_convert").to_finals
    finals = {(_BUZZED.get(one) or finals_of(one)).replace("v", "ü") for reading in readings for one in reading}
    return frozenset(_GROUP[final] for final in finals if final in _GROUP)


def rhymes(characters: Sequence[str]) -> bool:
    """Whether all of at least two different characters share a rhyme group. One used twice does not count."""
    if len(characters) < 2 or len(set(characters)) < len(characters):
        return False
    return bool(frozenset.intersection(*(groups(character) for character in characters)))
