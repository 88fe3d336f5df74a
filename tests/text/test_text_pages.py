"""Text in pages, as PDF files give it: heads and numbers at the edges go, what a page break divides is joined."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_helpers import clean

from modou.text.examples import Example
from modou.text.headings import Heading
from modou.text.report import RuleReport, visible
from modou.text.rules.pages import apply

PROSE = (
    "The miller counted his geese twice before supper, and each time he found one more than he had bought at the"
    " market in spring. His daughter said that it was a matter of arithmetic; the baker, who owned no geese at all,"
    " thought otherwise. Nobody asked the goose. On the third evening the miller shut the gate, lit a candle and sat"
    " down beside the trough to see who came in, and at nine he was asleep with his hat over his eyes."
)


def wrapped(words: str, width: int = 58) -> list[str]:
    lines = [""]
    for word in words.split():
        if len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def pages(count: int, top: str = "", bottom: str = "", gap: str = "\n") -> str:
    """A text in pages of eight lines; `{n}` is the number of a page, `{t}` a title that alternates."""
    lines = wrapped(" ".join(PROSE.replace("third", f"{n}th") for n in range(count * 2)))
    made: list[str] = []
    for n in range(count):
        values = {"n": n + 7, "t": ("The Geese", "A. N. Other")[n % 2]}
        body = "\n".join(lines[n * 8 : n * 8 + 8])
        head = top.format(**values) + "\n" + gap if top else ""
        made.append(head + body + (gap + "\n" + bottom.format(**values) if bottom else ""))
    return "\n\f".join(made)


def plain(count: int) -> str:
    lines = wrapped(" ".join(PROSE.replace("third", f"{n}th") for n in range(count * 2)))
    return " ".join(lines[: count * 8])


@pytest.mark.parametrize(
    ("top", "bottom"),
    [
        ("{t}", "{n}"),
        ("{t}", "- {n} -"),
        ("{n}", ""),
        ("{n}  {t}", ""),
        ("{t}    {n}", ""),
        ("THE GEESE OF THE MILL | {n}", ""),
        ("", "Page {n}"),
        ("Page {n} of 90", ""),
        ("", "{n} / 90"),
        ("", "{t}\n{n}"),
        ("{n}\n{t}", ""),
        ("", ""),
    ],
)
@pytest.mark.parametrize("gap", ["\n", ""])
def test_heads_and_numbers_go(top: str, bottom: str, gap: str) -> None:
    result = clean(pages(9, top, bottom, gap))
    assert result.chapters[0].line == plain(9)
    count = 9 * len([part for part in (top + "\n" + bottom).split("\n") if part])
    assert result.report["pages"].count == count


def test_roman_numbers_count_pages_too() -> None:
    text = "\f".join(f"{n}\n{PROSE} {n} was it" for n in ("vii", "viii", "ix", "x", "xi"))
    assert clean(text).report["pages"].examples == [Example(n, "") for n in ("vii", "viii", "ix", "x", "xi")]


def test_a_chapter_that_begins_on_its_page_keeps_its_heading() -> None:
    text = "\f".join(f"Chapter {n}\n\n{PROSE} In {n}." for n in range(1, 6))
    result = clean(text)
    assert [chapter.heading for chapter in result.chapters] == [f"Chapter {n}" for n in range(1, 6)]
    assert result.report["pages"].count == 0
    repeated = "\f".join(f"第{n}章 磨坊\n\n" + f"鹅{n}{k}走过了桥。" * 9 + "\n" for n in "一二三" for k in "甲乙丙")
    result = clean(repeated)
    assert [chapter.heading for chapter in result.chapters] == [f"第{n}章 磨坊" for n in "一二三"]
    assert result.report["pages"].count == 6


@pytest.mark.parametrize(
    "text",
    [
        "17\n4\n98\n\f3\n\f55\n12",  # numbers that do not rise
        "He left.\nThe goose slept.\n\fShe left.\nThe goose slept.",  # equal sentences
        "Day 1\n\nRain.\n\fDay 2\n\nSnow.\n\fDay 3\n\nSun.",
        "no pages\nat all\n\n12\n13\n14",
    ],
)
def test_what_is_no_furniture_stays(text: str) -> None:
    lines = list(apply(text.split("\n"), tally := RuleReport()))
    assert tally.count == 0 and visible("".join(map(str, lines))) == visible(text)


@pytest.mark.parametrize(
    ("last", "first", "wanted"),
    [
        ("The goose sat on the", "roof of the mill.", ["The goose sat on the roof of the mill."]),
        ("The goose sat.", "The cat slept.", ["The goose sat.", "", "The cat slept."]),
        ("The goose of old", "Harrow sat.", ["The goose of old", "Harrow sat."]),
        ("鹅走到桥上，看见", "河里的月亮。", ["鹅走到桥上，看见河里的月亮。"]),
        ("鹅走到桥上。看见", "　　河里的月亮。", ["鹅走到桥上。看见", "　　河里的月亮。"]),
        ("the lan", "第三章 桥", ["the lan", "", "第三章 桥"]),
        ("the lan-", "tern", ["the lan-", "tern"]),
    ],
)
def test_across_a_page_break(last: str, first: str, wanted: list[str]) -> None:
    assert list(apply([last, "", f"\f{first}"], RuleReport())) == wanted
    assert list(apply([f"{last}\f", "", first], RuleReport())) == wanted


def test_words_broken_at_line_ends_are_whole_again() -> None:
    text = [
        "The lan-",
        "tern of the goose-",
        "keeper, and her well-",
        "worn shoes; the market-",
        "place was empty. A lantern, a goose-keeper;",
        "all is well and worn. The marketplace. A foot-\u2010"[:-1],
        "step. Foot by step; footstep.",
    ]
    result = clean("\n".join(text))
    assert result.chapters[0].line.startswith("The lantern of the goose-keeper, and her well")
    assert "the marketplace was empty" in result.text and "A footstep." in result.text
    assert result.report["unwrap"].removed >= 3


def test_a_compound_is_kept_where_its_parts_are_words() -> None:
    text = "Twenty geese and five more.\nTwenty-\nfive in all, un-\nhappy ones."
    result = clean(text)
    assert "Twenty-five in all, unhappy ones." in result.text and result.report["unwrap"].removed == 1


def test_a_word_is_whole_across_a_page() -> None:
    first, second, third = (wrapped(PROSE.replace("twice", word)) for word in ("again", "daily", "still"))
    first[-1] = "It was, as everyone in the village could see, bad arith-"
    second[0] = "metic, to the miller and his daughter, if not to geese"
    pages = ["\n".join([f"The Geese {n}", "", *body]) for n, body in enumerate((first, second, third), start=40)]
    result = clean("\n\f".join(pages))
    assert "It was, as everyone in the village could see, bad arithmetic, to the miller" in result.text
    assert result.report["pages"].count == 3 and "The Geese" not in result.text


def test_headings_in_the_stream_pass() -> None:
    lines = ["\fGeese", "one.", Heading("II"), "two", "\fGeese", Heading("III"), "three"]
    assert list(apply(lines, RuleReport())) == ["one.", Heading("II"), "two", "", Heading("III"), "three"]


piece = st.sampled_from(
    ["\f", "12", "13", "Geese", "geese", "A goose.", "", " ", "第一章 桥", "鹅", "x-", "xii", Heading("I")]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(piece, max_size=40), st.integers(1, 9))
def test_what_goes_is_counted(parts: list[str | Heading], glued: int) -> None:
    lines: list[str | Heading] = []
    for place, part in enumerate(parts):
        if lines and isinstance(part, str) and isinstance(lines[-1], str) and place % glued == 0:
            lines[-1] += part
        else:
            lines.append(part)
    after = list(apply(lines, tally := RuleReport()))
    before_text, after_text = ("".join(x for x in some if isinstance(x, str)) for some in (lines, after))
    assert visible(before_text) - tally.removed + tally.added == visible(after_text)
    assert [x for x in after if isinstance(x, Heading)] == [x for x in lines if isinstance(x, Heading)]
    if "\f" not in before_text:
        assert after == lines


def test_a_long_text_without_pages_is_not_held_back() -> None:
    source = iter(["line"] * 1_000_000)
    out = apply(source, RuleReport())
    assert next(out) == "line"
    assert sum(1 for _ in source) > 990_000


def test_a_line_that_the_user_keeps_stays() -> None:
    tally = RuleReport()
    tally.keep("Geese 8")
    lines = ["The Geese 7", "a.", "\fThe Geese 8", "b.", "\fThe Geese 9", "c."]
    assert list(apply(lines, tally)) == ["a.", "", "The Geese 8", "b.", "", "c."]
    assert tally.count == 2
