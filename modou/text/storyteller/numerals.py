"""Numbers from 1 to 999 in words, in both languages."""

from functools import cache
from typing import Literal

_DIGITS = "零一二三四五六七八九"
_TEENS = [f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine")]
_ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *_TEENS,
]
_TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def write(number: int, language: Literal["zh", "en"]) -> str:
    """`number` (1 to 999 in Chinese, below 100 in English) in words."""
    return write_chinese(number) if language == "zh" else write_english(number)


def write_chinese(number: int) -> str:
    """一 … 九百九十九."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    text = f"{_DIGITS[hundreds]}百" if hundreds else ""
    if hundreds and not tens and ones:
        text += "零"
    if tens:
        text += ("" if tens == 1 and not hundreds else _DIGITS[tens]) + "十"
    return text + (_DIGITS[ones] if ones else "")


def write_english(number: int) -> str:
    """one … ninety-nine."""
    tens, ones = divmod(number, 10)
    if number < 20:
        return _ONES[number]
    return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


@cache
def _chinese() -> dict[str, int]:
    return {write_chinese(number): number for number in range(1, 1000)}


@cache
def _english() -> dict[str, int]:
    return {write_english(number): number for number in range(1, 100)}


def read_chinese(text: str) -> int:
    """The number a text writes. KeyError: not one of ours."""
    return _chinese()[text]


def read_english(text: str) -> int:
    """The number a text writes. KeyError: not one of ours."""
    return _english()[text]
