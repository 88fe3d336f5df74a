"""The natural order of file names: 2 before 10, 第二章 before 第十章, IV before X, 上 before 中 before 下, a prologue
before and an epilogue after the chapters."""

import re

from modou.text import numerals

_VOLUMES = "上中下"
_VOLUME = (
    rf"(?<![\u3400-\u9fff])[{_VOLUMES}](?=[卷巻部册冊篇集]|$)|(?<=[（(【\[_ -])[{_VOLUMES}](?=[）)】\]])"
    rf"|(?<=[\u3400-\u9fff])[{_VOLUMES}](?=[卷巻部册冊篇集]?$)"
)
_WORD = rf"(?<![A-Za-z])(?:[IVXLC]+|(?i:{numerals.WRITTEN}))(?![A-Za-z])|^[ivxlc]+$"
_FIRST = r"序[章言幕]?|自序|楔子|引[子言]|前言|prologue|preface|foreword|introduction|プロローグ|пролог|프롤로그"
_LAST = r"尾[声聲章]|[终終]章|番外|[后後][记記]|附[录錄]|跋|epilogue|afterword|appendix|エピローグ|эпилог|에필로그"
_EDGE = re.compile(rf"(?:(?P<first>{_FIRST})|(?P<last>{_LAST}))(?![^\W\d_一二三四五六七八九十])", re.IGNORECASE)
_PART = re.compile(rf"(\d+|[{numerals.CHINESE}]+|{_VOLUME}|{_WORD})")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key of a path, folder by folder, endings aside."""
    key: list[tuple[int, str]] = []
    for folder in name.split("/"):
        stem, dot, ending = folder.rpartition(".")
        if edge := _EDGE.match(stem if dot and stem else folder):
            key += [(-3, "") if edge["first"] else (10**9, "")]
        parts = _PART.split(stem if dot and stem else folder)
        key += [_number(part) if index % 2 else (-1, part.lower()) for index, part in enumerate(parts) if part]
        key += [(-2, ending.lower() if dot and stem else "")]
    return key


def _number(part: str) -> tuple[int, str]:
    """A numeral, or the place of a volume."""
    value = _VOLUMES.find(part) if part in tuple(_VOLUMES) else numerals.value(part)
    return (-1, part.lower()) if value is None else (value, "")
