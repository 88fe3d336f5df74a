"""The natural order of file names: 2 before 10, 第二章 before 第十章, IV before X, 上 before 中 before 下."""

import re

from modou.text import numerals

_VOLUMES = "上中下"
_VOLUME = (
    rf"(?<![\u3400-\u9fff])[{_VOLUMES}](?=[卷部册冊篇集]|$)|(?<=[（(【\[_ -])[{_VOLUMES}](?=[）)】\]])"
    rf"|(?<=[\u3400-\u9fff])[{_VOLUMES}](?=[卷部册冊篇集]?$)"
)
_WORD = rf"(?<![A-Za-z])(?:[IVXLC]+|(?i:{numerals.WRITTEN}))(?![A-Za-z])"
_PART = re.compile(rf"(\d+|[{numerals.CHINESE}]+|{_VOLUME}|{_WORD})")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key of a path, folder by folder, endings aside."""
    key: list[tuple[int, str]] = []
    for folder in name.split("/"):
        stem, dot, ending = folder.rpartition(".")
        parts = _PART.split(stem if dot and stem else folder)
        key += [_number(part) if index % 2 else (-1, part.lower()) for index, part in enumerate(parts) if part]
        key += [(-2, ending.lower() if dot and stem else "")]
    return key


def _number(part: str) -> tuple[int, str]:
    """A numeral, or the place of a volume."""
    value = _VOLUMES.find(part) if part in tuple(_VOLUMES) else numerals.value(part)
    return (-1, part.lower()) if value is None else (value, "")
