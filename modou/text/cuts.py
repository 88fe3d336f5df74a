"""Cut text that has no end of a sentence: after a comma or a space if possible, never within a grapheme cluster."""

import re
import unicodedata

_PAUSE = re.compile(r"[，；、,;:：،؛·][”’\"']?|\s|\u200b")
_VIRAMA = 9
"""The canonical combining class of the signs that join two Indic letters."""


def cut_before(text: str, least: int, most: int) -> int:
    """The best place in [least, most] to cut `text`: after the last comma or space, else the last between two grapheme
    clusters, else `most`. `0 < least <= most < len(text)`."""
    assert 0 < least <= most < len(text)
    cuts = [found.end() for found in _PAUSE.finditer(text, least - 1, most)]
    if cuts:
        return cuts[-1]
    return next((at for at in range(most, least - 1, -1) if not _is_inside(text[at - 1], text[at])), most)


def _is_inside(before: str, after: str) -> bool:
    """Whether two characters belong to one grapheme cluster (the cases of Unicode's annex 29 that matter to a cut)."""
    if before.isascii() and after.isascii():
        return False
    if unicodedata.category(after).startswith("M") or unicodedata.combining(before) == _VIRAMA:
        return True
    if before == "\u200d" or after in "\u200c\u200d\u0e33\u0eb3":
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":  # skin tones, tags of flags
        return True
    flags = "\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff"
    return flags or "\u1160" <= after <= "\u11ff"  # the vowel or final consonant of a Hangul syllable
