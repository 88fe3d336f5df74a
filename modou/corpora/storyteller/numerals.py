"""Numbers in words in Chinese and English, and back (Chinese below 1000, English below 100)."""

from functools import cache
from typing import Literal

Language = Literal["zh", "en"]
_DIGITS = "零一二三四五六七八九"
_TEENS = [f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine")]
_ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *_TEENS,
]
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spell(number: int, language: Language) -> str:
    """`number` in words (below 100 in English)."""
    return write_chinese(number) if language == "zh" else write_english(number)


def write_chinese(number: int) -> str:
    """A number from 1 to 99,999,999: 一, 十, 一百零五, 一千零一十, 一万二千."""
    if number >= 10_000:
        high, low = divmod(number, 10_000)
        return f"{write_chinese(high)}万" + (("零" if low < 1000 else "") + _below(low, False) if low else "")
    return _below(number, True)


def _below(number: int, alone: bool) -> str:
    """A number below ten thousand; `alone`: not the lower part of a larger number, so that 10 is 十, not 一十."""
    text, gap = "", False
    for value, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, value)
        if digit:
            bare = alone and value == 10 and digit == 1 and not text
            text += ("零" if gap and text else "") + ("" if bare else _DIGITS[digit]) + unit
        gap = not digit
    return text


def write_english(number: int) -> str:
    """A number from 1 to 99."""
    tens, ones = divmod(number, 10)
    if number < 20:
        return _ONES[number]
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


def read(text: str, language: Language) -> int:
    """Inverse of `spell`. KeyError: not a spelled number."""
    return _numbers(language)[text]


@cache
def _numbers(language: Language) -> dict[str, int]:
    return {spell(number, language): number for number in range(1, 1000 if language == "zh" else 100)}
