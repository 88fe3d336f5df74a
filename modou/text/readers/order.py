"""The natural order of file names: 2 before 10, 第二章 before 第十章, 上 before 中 before 下."""

import re

_DIGITS = {
    **{digit: value for value, digit in enumerate("零一二三四五六七八九")},
    **{digit: value for value, digit in enumerate("〇壹贰叁肆伍陆柒捌玖")},
    **{"两": 2, "兩": 2, "貳": 2, "參": 3, "陸": 6},
}
_UNITS = {"十": 10, "拾": 10, "百": 100, "千": 1000, "廿": 20, "卅": 30}
_VOLUMES = "上中下"
_PART = re.compile(
    rf"(\d+|[{''.join([*_DIGITS, *_UNITS])}]+|(?<![\u3400-\u9fff])[{_VOLUMES}](?=[卷部册冊篇集]|$)"
    rf"|(?<=[（(【\[_ -])[{_VOLUMES}](?=[）)】\]])|(?<=[\u3400-\u9fff])[{_VOLUMES}](?=[卷部册冊篇集]?$))"
)


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key of a path, folder by folder, endings aside."""
    key: list[tuple[int, str]] = []
    for folder in name.split("/"):
        stem, dot, ending = folder.rpartition(".")
        key += [_part(part) for part in _PART.split(stem if dot and stem else folder) if part]
        key += [(-2, ending.lower() if dot and stem else "")]
    return key


def _part(part: str) -> tuple[int, str]:
    if part.isdecimal():
        return int(part), ""
    if part in tuple(_VOLUMES):
        return _VOLUMES.index(part), ""
    return (chinese_number(part), "") if all(c in _DIGITS or c in _UNITS for c in part) else (-1, part.lower())


def chinese_number(numeral: str) -> int:
    """The value of a Chinese numeral below ten thousand: 二十三, 廿三, 一百零八, or digits alone as in 一二三."""
    if not any(char in _UNITS for char in numeral):
        return int("".join(str(_DIGITS[char]) for char in numeral))
    total = digit = 0
    for char in numeral:
        if char in _DIGITS:
            digit = _DIGITS[char]
            continue
        unit = _UNITS[char]
        total += unit if char in "廿卅" else (digit or 1) * unit
        digit = 0
    return total + digit
