"""Files are read in the order in which a person would read them."""

import random

import pytest

from modou.text.readers.order import natural_key

CHINESE = [
    *"一二三四五六七八九十",
    "十一",
    "十二",
    "十九",
    "二十",
    "二十一",
    "廿三",
    "九十九",
    "一百",
    "一百零一",
    "二百",
]


@pytest.mark.parametrize(
    "names",
    [
        [f"第{number}章.txt" for number in CHINESE],
        [f"{number}、井边.txt" for number in CHINESE],
        [f"chapter{n}.txt" for n in (1, 2, 3, 9, 10, 11, 20, 100)],
        [f"{n:02d} The Well.md" for n in range(1, 30)],
        ["井（上）.txt", "井（中）.txt", "井（下）.txt"],
        ["井上.txt", "井中.txt", "井下.txt"],
        ["上册/1.txt", "上册/2.txt", "中册/1.txt", "下册/1.txt", "下册/10.txt"],
        [f"Book {n}.txt" for n in ("I", "II", "III", "IV", "V", "IX", "X", "XI", "XL")],
        [f"Chapter {n}.txt" for n in ("One", "Two", "Three", "Nine", "Ten", "Eleven", "Twenty", "Twenty-One")],
        [f"卷{c}/第{n}回.txt" for c in ("一", "二", "十") for n in ("二", "十", "十二")],
        ["a.txt", "a1.txt", "a2.txt", "b.txt"],
        ["序.txt", "序列.txt", "第二章 井.txt", "第十章.txt", "后记.txt", "番外一.txt", "番外二 井.txt"],
        ["Prologue.txt", "Part One.txt", "Part Two.txt", "Epilogue.txt"],
        [f"{n}.txt" for n in ("i", "iv", "v", "ix")],
        ["上巻.txt", "中巻.txt", "下巻.txt"],
    ],
)
def test_natural_order(names: list[str]) -> None:
    shuffled = random.Random(1).sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == names
