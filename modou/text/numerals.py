"""The values of numerals: decimal digits of any script, Chinese and Roman numerals, numbers written out in English."""

import re
import unicodedata

CHINESE = "〇○零一二三四五六七八九十百千两兩廿卅壹贰叁肆伍陆柒捌玖拾"
_DIGITS = {
    char: value
    for value, group in enumerate(("〇○零", "一壹", "二两兩贰", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"))
    for char in group
}
_TENS = {"十": 10, "拾": 10, "百": 100, "千": 1000}
_JOINED_TENS = {"廿": "二十", "卅": "三十"}
_ROMAN = re.compile(r"m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,4})")
_ROMAN_DIGITS = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}

_UNITS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_ORDINAL_UNITS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth"
    " sixteenth seventeenth eighteenth nineteenth"
)
_TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINAL_TENS = "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth"
_WORDS = {
    **{word: value for words in (_UNITS, _ORDINAL_UNITS) for value, word in enumerate(words.split(), start=1)},
    **{word: 10 * value for words in (_TEN_WORDS, _ORDINAL_TENS) for value, word in enumerate(words.split(), start=2)},
}
_UNIT = "|".join(f"{_UNITS} {_ORDINAL_UNITS}".split())
WRITTEN = rf"(?:the\s+)?(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?:[-\s](?:{_UNIT}))?"
"""A pattern of English numbers up to ninety-nine, to be used without regard to case."""


def value(numeral: str) -> int | None:
    """The value of a numeral, or None if it is none."""
    text = unicodedata.normalize("NFKC", numeral).strip().casefold()
    if text.isdecimal():
        return int(text[:9])
    if text and all(char in CHINESE for char in text):
        return _chinese(text)
    if text and _ROMAN.fullmatch(text):
        return _roman(text)
    words = [word for word in re.split(r"[-\s]+", text.removeprefix("the ")) if word]
    if words and all(word in _WORDS for word in words):
        return sum(_WORDS[word] for word in words)
    return None


def _chinese(text: str) -> int:
    for char, tens in _JOINED_TENS.items():
        text = text.replace(char, tens)
    total = current = 0
    for char in text:
        if char in _TENS:
            total += (current or 1) * _TENS[char]
            current = 0
        else:
            current = current * 10 + _DIGITS[char]
    return total + current


def _roman(text: str) -> int:
    values = [_ROMAN_DIGITS[char] for char in text]
    following = [*values[1:], 0]
    return sum(-one if one < after else one for one, after in zip(values, following, strict=True))
