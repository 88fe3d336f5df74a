"""--clean.keep: what a rule would remove stays where the user says so, and nothing else does."""

import re

import pytest
from text_helpers import clean

from modou.settings.text import RULES, CleanSettings
from modou.text.report import visible

TALE = "豆子在井边发了芽，青藤一夜长到云上。村里的人都来看，谁也说不出它有多高。"
REMOVING = {name for name, place in RULES.items() if place in ("lines", "document")} - {"control", "unwrap"}
"""The rules that remove whole lines."""

CHAPTERS = "\n\n".join(f"第{n}章 {t}\n{TALE * 4}{t}。" for n, t in zip("一二三", "井藤云", strict=True))
BOOKS = {
    "pages": "\f".join(f"The Geese {n}\n\n{TALE}他{n}" for n in range(3, 9)),
    "aozora": f"｜魔法《まほう》の豆。\n［＃改ページ］\n{TALE}\n底本：豆文庫\n入力：某\n校正：某某",
    "frame": "About\nBy nobody\n*** START OF THE PROJECT GUTENBERG EBOOK ***\n"
    f"{TALE}\nEnd of Project Gutenberg\nLicence",
    "furniture": f"{TALE}\n----------\n{TALE}一。\n==========\n{TALE}二。",
    "notices": f"{TALE}\n一秒记住本站\n{TALE}一。\n手机用户请访问手机站继续阅读\n{TALE}二。",
    "page_numbers": "\n".join(f"{TALE * 3}\n- {n} -" for n in range(7, 13)),
    "contents": "第一章 井\n第二章 藤\n第三章 云\n\n" + CHAPTERS,
    "author_notes": f"{CHAPTERS}\n求月票！\n（本章完）",
    "headings": f"豆书\n某人 著\n第一章 井\n{TALE}\n第二章 藤\n{TALE}二。\n第三章\n\n云\n\n{TALE}三。",
}
LINES = {
    "pages": ["The Geese 5"],
    "aozora": ["［＃改ページ］", "底本：豆文庫", "校正：某某"],
    "frame": ["By nobody", "End of Project Gutenberg", "Licence"],
    "furniture": ["=========="],
    "notices": ["一秒记住本站"],
    "page_numbers": ["- 9 -"],
    "contents": ["第二章 藤"],
    "author_notes": ["求月票！", "（本章完）"],
    "headings": ["某人 著", "第二章 藤", "云"],
}


@pytest.mark.parametrize(("rule", "line"), [(rule, line) for rule, lines in LINES.items() for line in lines])
def test_a_line_stays_that_the_user_keeps(rule: str, line: str) -> None:
    removed, kept = (clean(BOOKS[rule], CleanSettings(keep=keep)) for keep in ("", f"^{re.escape(line)}$"))
    assert line not in removed.text.split("\n") and line in kept.text.split("\n")
    assert 0 < kept.report[rule].removed == removed.report[rule].removed - visible(line)


def test_every_rule_that_removes_lines_is_tried() -> None:
    assert BOOKS.keys() == LINES.keys() == REMOVING
