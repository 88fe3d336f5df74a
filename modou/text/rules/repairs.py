"""Rules that change characters of the text (private-use characters, half-width marks); not for held-out chapters."""

import re
from collections import Counter

from modou.settings.text import CleanSettings
from modou.text.report import CleaningReport

_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_IDEOGRAPH = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BEFORE = rf"(?<=[{_IDEOGRAPH}”’」』）》】])"
_AFTER = rf"(?=[{_IDEOGRAPH}“”‘’「」『』（）《》【】。，、；：？！…—\"']|\s*$)"
_HALF = re.compile(rf"{_BEFORE}(?:\.{{3,}}|[,.?!:;．｡､]|[?!]+){_AFTER}")
_FULL = {",": "，", ".": "。", "?": "？", "!": "！", ":": "：", ";": "；", "．": "。", "｡": "。", "､": "、"}


def repair(sentence: str, settings: CleanSettings, report: CleaningReport) -> str:
    """The repaired sentence; repairs are reported."""
    if settings.private_use and (found := _PRIVATE.findall(sentence)):
        tally = report["private_use"]
        for char in found:
            code = f"U+{ord(char):04X}"
            report.glyphs[code] = report.glyphs.get(code, 0) + 1
            at = sentence.index(char)
            near = sentence[max(0, at - 6) : at + 7].replace(char, f"[{code}]")
            tally.touch(char, example=near)
        sentence = _PRIVATE.sub("", sentence)
    if settings.punctuation and _HALF.search(sentence):
        sentence = _widen(sentence, report)
    return sentence


def count_left(sentence: str, settings: CleanSettings, report: CleaningReport) -> None:
    """Counts what `repair` would change in a held-out sentence."""
    if settings.private_use and (found := Counter(_PRIVATE.findall(sentence))):
        report["private_use"].left_in_held_out += found.total()
        for char, times in found.items():
            code = f"U+{ord(char):04X}"
            report.glyphs[code] = report.glyphs.get(code, 0) + times
    if settings.punctuation:
        report["punctuation"].left_in_held_out += len(_HALF.findall(sentence))


def _widen(sentence: str, report: CleaningReport) -> str:
    tally = report["punctuation"]

    def full(found: re.Match[str]) -> str:
        mark = found.group()
        wide = "……" if mark.startswith("..") else "".join(_FULL[char] for char in mark)
        near = sentence[max(0, found.start() - 6) : found.end() + 6]
        tally.touch(mark, wide, example=f"{near} ({mark} → {wide})")
        return wide

    return _HALF.sub(full, sentence)
