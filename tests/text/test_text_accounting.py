"""Every character of a book is in the cleaned text or counted by the rule that removed it."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.settings.text import RULES, CleanSettings
from modou.text.corpus import Corpus, prepare
from modou.text.headings import Heading
from modou.text.readers.book import Book, Document, TextBook
from modou.text.readers.file import Line
from modou.text.split import Part

TALE = "豆子在井边发了芽，青藤一夜长到云上。村里的人都来看，谁也说不出它有多高。"
STORY = "The bean grew all night. By morning it had reached the clouds, and nobody could see its top."
PROSE = [TALE, f"　　{TALE}", f"{TALE}他说：“走,去看看!”", STORY, f"“{STORY}”", "云上有人家.他等了一夜?没有人来。"]
WRAPPED = [
    "The keeper of the geese went down to the well, and the well was a moun-\ntain deep, and the water was far "
    "below the light of his lan-\ntern; no goose-\nkeeper had ever seen so far down.",
    "豆子在井边发了芽\n青藤一夜长到云上\n",
    "Roses by the gate,\nRust upon the lock,\nNobody is late,\nNobody will knock.\n",
]
HEADINGS = [
    "第一回",
    "第二回 阿青拾豆落古井　小黄攀藤入青云",
    "第3章：上云",
    "第四章 豆子又长高了一尺，青藤也爬上了墙头，村里人都说奇怪。",
    "Chapter 4",
    "CHAPTER V. The Well",
    "PROLOGUE",
    "12. 井边",
    "卷二",
    "III.",
    "THE LAST BEAN",
    "目录",
]
FURNITURE = [
    "----------",
    "- 12 -",
    "17",
    "第 3 页",
    "www.example.com",
    "一秒记住本站",
    "（本书由青藤书屋首发）豆。",
    "求月票！",
    "（本章完）",
    "*** START OF THE PROJECT GUTENBERG EBOOK ***",
    "End of Project Gutenberg",
]
AOZORA = [
    "｜魔法《まほう》の豆《まめ》。",
    "豆［＃「豆」に傍点］、※［＃「井」、U+4E95、1-2］。",
    "底本：豆文庫",
    "［＃改ページ］",
]
MARKS = ["\f", "\x00", "\u200b", "\xad\n", "\ue229", "\ue229\U000f1234", "\ud800", "\x1b[31m", "\u2028"]
CODE = ["def f(x):\n    return x  # 豆\n", "for (i = 0; i < 3; i++) {\n", "\tx = y;\n"]
SPACE = ["", "\n\n", "   ", "\u3000", "\t \t"]

line = st.one_of(*map(st.sampled_from, (PROSE, PROSE, WRAPPED, HEADINGS, FURNITURE, AOZORA, MARKS, CODE, SPACE)))
texts = st.lists(st.tuples(line, st.sampled_from(["\n", "\n", "\n\n", "", "\f"])), max_size=40).map(
    lambda parts: "".join(text + end for text, end in parts)
)
skips = st.lists(st.sampled_from(sorted(RULES)), max_size=3).map(tuple)
cleanings = st.builds(
    CleanSettings,
    skip=skips,
    simplify=st.booleans(),
    layout=st.sampled_from(["auto", "auto", "prose", "lines", "exact"]),
    keep=st.sampled_from(["", "", "豆", "Chapter|页", "[一二]"]),
)
LONG = [f"{TALE}又过了{n}天。" for n in range(40)]
"""Prose enough for every part of the split, whatever else the book holds."""


class Marked(Book):
    """A book in memory of a format that marks its headings itself."""

    def __init__(self, documents: list[list[Line]]) -> None:
        super().__init__("豆", ())
        self._documents = documents

    def documents(self) -> Iterator[Document]:
        for number, lines in enumerate(self._documents):
            yield Document(f"{number}", lambda lines=lines: iter(lines), None)


def cleaned(book: Book, settings: CleanSettings, given: dict[Part, Book] | None = None) -> Corpus:
    with TemporaryDirectory() as folder:
        corpus = prepare(book, Path(folder), settings, given)
    found = corpus.report
    assert found.unaccounted == 0
    assert not [note for note in found.notes if note["key"] == "text.note_unaccounted"]
    assert all(rule.count for rule in found.rules.values() if rule.removed or rule.added)
    return corpus


@settings(max_examples=150, deadline=None)
@given(st.lists(texts, min_size=1, max_size=3), cleanings)
def test_every_character_of_a_book_is_accounted_for(books: list[str], given: CleanSettings) -> None:
    cleaned(TextBook("豆", lambda: iter([*books, "\n".join(LONG)])), given)


flat = line.map(lambda text: text.replace("\n", ""))
marked = st.lists(st.lists(st.one_of(flat, line.map(Heading)), max_size=30), max_size=3)


@settings(max_examples=100, deadline=None)
@given(marked, cleanings)
def test_so_is_every_heading_that_a_format_marks(documents: list[list[Line]], given: CleanSettings) -> None:
    cleaned(Marked([*documents, list(LONG)]), given)


@pytest.mark.parametrize("layout", ["prose", "lines", "exact"])
def test_held_out_chapters_do_not_disturb_the_sum(layout: str) -> None:
    text = "".join(f"第{n}章 井\n\n{TALE}豆\ue229子,井{n}。\n\n" * 2 for n in range(1, 30))
    found = cleaned(TextBook("豆", lambda: iter([text])), CleanSettings(layout=layout)).report
    held_out = [found.rules[name].left_in_held_out for name in ("private_use", "punctuation")]
    assert all(held_out) if layout != "exact" else not any(held_out)


def test_texts_that_are_given_for_validation_stand_outside_the_sum() -> None:
    book, other = (TextBook(name, lambda name=name: iter([f"第一章 {name}\n" + "\n".join(LONG)])) for name in "豆藤")
    alone, beside = cleaned(book, CleanSettings()).report, cleaned(book, CleanSettings(), {"validation": other}).report
    assert alone.characters == beside.characters
