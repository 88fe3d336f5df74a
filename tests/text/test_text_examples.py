"""What the cleaning report shows of each change: the same stretch before and after, everything in it visible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_helpers import clean

from modou.settings.text import RULES, CleanSettings
from modou.text.examples import MOST, Example, around, common, shown
from modou.text.report import RuleReport

TALE = "豆子在井边发了芽，青藤一夜长到云上。村里的人都来看，谁也说不出它有多高。"
CONTENTS = "第一章 井\n第二章 藤\n第三章 云\n"
CHAPTERS = "\n\n".join(f"第{n}章 {t}\n{TALE * 4}{t}。" for n, t in zip("一二三", "井藤云", strict=True))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a b", "a b"),
        ("  a  b ", "␣␣a␣␣b␣"),
        ("a \nb", "a␣⏎b"),
        ("a\u200bb\t\u3000", "a[U+200B]b[U+0009][U+3000]"),
        ("\x1b[31m红", "[U+001B][31m红"),
        ("\ud800", "[U+D800]"),
        ("豆" * 81, "豆" * 80 + "…"),
    ],
)
def test_everything_is_visible(text: str, seen: str) -> None:
    assert shown(text) == seen


@given(st.text(alphabet=st.sampled_from("豆a \n\t\u200b\x00\ue229…␣"), max_size=300))
def test_what_is_shown_is_short_and_visible(text: str) -> None:
    seen = shown(text)
    assert len(seen) <= 161 and seen.isprintable()


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_common_ends_are_common_and_do_not_overlap(before: str, after: str) -> None:
    head, tail = common(before, after)
    assert before[:head] == after[:head] and before[len(before) - tail :] == after[len(after) - tail :]
    assert head + tail <= min(len(before), len(after))


def test_a_change_has_its_context() -> None:
    assert around("豆子在井边,青藤在云上", 5, 6, "，") == ("豆子在井边,青藤在云上", "豆子在井边，青藤在云上")


def test_lines_unlike_each_other_are_shown_rather_than_one_watermark_five_times() -> None:
    tally = RuleReport()
    for number in range(20):
        tally.touch(f"page {number}")
    assert [example.before for example in tally.examples] == [f"page {number}" for number in range(MOST)]
    for line in ("青藤书屋", "page 77", "豆子论坛", "云上", "井边", "村里"):
        tally.touch(line)
    assert [example.before for example in tally.examples] == ["page 0", "青藤书屋", "豆子论坛", "云上", "井边"]
    assert tally.count == 26


def test_examples_of_several_files_are_added_up() -> None:
    first, second = RuleReport(), RuleReport()
    for number in range(4):
        first.touch(f"{number}")
        second.touch(f"  {number + 2}\n")
    first.add(second)
    assert [example.before for example in first.examples] == ["0", "1", "2", "3", "␣␣2⏎"]


CHANGES = {
    "pages": ("\f".join(f"The Geese {n}\n\n{TALE}他{n}" for n in range(3, 8)), ("The Geese 3", "")),
    "control": (f"井\u200e边。{TALE}", ("井[U+200E]边。豆子在井边发了芽", "井边。豆子在井边发了芽")),
    "aozora": (f"｜魔法《まほう》の豆。\n［＃改ページ］\n{TALE}", ("｜魔法《まほう》の豆。", "魔法の豆。")),
    "frame": (
        f"About\n*** START OF THE PROJECT GUTENBERG EBOOK ***\n{TALE}\n*** END OF THE PROJECT GUTENBERG EBOOK ***",
        ("About", ""),
    ),
    "notices": (
        f"水车停了。（记住本站：w-w-w.mill.com）豆。{TALE}",
        ("水车停了。（记住本站：w-w-w.mill.com）豆。豆子在井边发了芽", "水车停了。豆。豆子在井边发了芽"),
    ),
    "page_numbers": ("\n".join(f"{TALE * 3}\n- {n} -" for n in range(7, 13)), ("- 7 -", "")),
    "contents": (f"{CONTENTS}\n{CHAPTERS}", ("第一章 井", "")),
    "author_notes": (f"{CHAPTERS}\n（本章完）", ("（本章完）", "")),
    "furniture": (f"{TALE}\n----------\n{TALE}一。", ("----------", "")),
    "headings": (f"第一章 井\n{TALE}\n第二章 藤\n{TALE}二。", ("第一章 井", "")),
    "unwrap": (
        "They saw the moun-\ntain at last.\nThe mountain was high.",
        ("aw the moun-⏎tain at last", "aw the mountain at last"),
    ),
    "spaces": (f"　　{TALE}", ("[U+3000][U+3000]", "")),
    "simplify": ("雲上的豆。", ("雲上的豆。", "云上的豆。")),
    "duplicates": (f"第一章 井\n{TALE}\n第二章 藤\n{TALE}", ("第二章 藤", "")),
    "private_use": ("豆\ue229子在井边。", ("豆[U+E229]子在井边。", "豆子在井边。")),
    "punctuation": ("豆子在井边,青藤在云上。", ("豆子在井边,青藤在云上。", "豆子在井边，青藤在云上。")),
}


@pytest.mark.parametrize("rule", CHANGES)
def test_each_rule_shows_before_and_after(rule: str) -> None:
    text, (before, after) = CHANGES[rule]
    found = clean(text, CleanSettings(simplify=rule == "simplify")).report[rule].examples[0]
    if rule == "spaces":
        assert found.before.startswith(before) and found.after == found.before.removeprefix(before)
    else:
        assert found == Example(before, after)


def test_each_rule_is_shown() -> None:
    assert CHANGES.keys() == RULES.keys()
