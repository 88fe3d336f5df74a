"""Headings are decided by the whole document: its unit, rising numbers, lines that stand apart; tables of contents."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_helpers import Cleaned, clean

from modou.messages import UserError
from modou.settings.text import CleanSettings
from modou.text.corpus import PARTS, prepare
from modou.text.headings import Heading
from modou.text.numbered import numbered
from modou.text.numerals import value
from modou.text.readers.book import TextBook
from modou.text.report import RuleReport, visible
from modou.text.rules import contents, headings, page_numbers
from modou.text.survey import survey

WHO = ["阿蓝", "磨坊主", "小芬", "卖梨的", "守塔人", "裁缝", "船娘"]
DID = ["把梨放进篮子", "数了数窗外的星星", "沿着石阶走上塔", "听见水车停了", "借来一把剪刀", "给炉子添了木柴"]
MEN = ["Blue", "the miller", "old Fenn", "a pear seller", "the tailor", "the ferry girl"]
ACTS = ["put the pears away", "counted the stars", "climbed the tower", "heard the wheel stop", "borrowed a needle"]


def prose(seed: int, *, english: bool = False, paragraphs: int = 3) -> str:
    """Paragraphs of some 120 characters that differ from seed to seed."""
    made = []
    for number in range(seed * 31, seed * 31 + paragraphs):
        picks = range(number, number + 7)
        if english:
            some = [f"That day {MEN[(n * n) % 6]} {ACTS[(n * 3 + seed) % 5]} and went home." for n in picks]
            made.append(" ".join(some))
        else:
            made.append("".join(f"后来{WHO[(n * n + 1) % 7]}{DID[(n * 5 + seed) % 6]}，就回家了。" for n in picks))
    return "\n".join(made)


def book(titles: list[str], *, english: bool = False, blank: str = "\n") -> str:
    return "".join(f"{title}\n{blank}{prose(n, english=english)}\n\n" for n, title in enumerate(titles, start=1))


def names(result: Cleaned) -> list[str | None]:
    return [chapter.heading for chapter in result.chapters]


@pytest.mark.parametrize(
    ("titles", "english"),
    [
        (["一章 梨", "二章 塔", "三章 水车", "四章 剪刀"], False),
        (["1.梨", "2.塔", "3.水车", "4.剪刀"], False),
        (["1、梨", "2、塔", "3、水车"], False),
        (["01 梨", "02 塔", "03 水车"], False),
        (["一、梨", "二、塔", "三、水车"], False),
        (["（一）", "（二）", "（三）"], False),
        (["【1】梨", "【2】塔", "【3】水车"], False),
        (["一", "二", "三", "四"], False),
        (["1. The Pears", "2. The Tower", "3. The Wheel"], True),
        (["I", "II", "III", "IV", "V", "VI"], True),
        (["I. The Pears", "II. The Tower", "III. The Wheel"], True),
        (["ONE", "TWO", "THREE"], True),
        (["One: The Pears", "Two: The Tower", "Three: The Wheel"], True),
        (["1", "2", "3", "4"], True),
        (["- 1 -", "- 2 -", "- 3 -"], True),
        (["#1 梨", "#2 塔", "#3 水车"], False),
        (["Chapter the First", "Chapter the Second", "Chapter the Third"], True),
        (["CHAPTER TWENTY-ONE", "CHAPTER TWENTY-TWO"], True),
        (["THE PEARS", "THE TOWER", "THE WHEEL", "A NEEDLE"], True),
        (["Day 1", "Day 2", "Day 3: The Tower"], True),
        (["Глава 1", "Глава 2. Башня", "Глава третья", "Глава четвёртая"], True),
        (["Kapitel 1", "Kapitel 2: Der Turm", "Kapitel 3"], True),
        (["Erstes Kapitel", "Zweites Kapitel", "Drittes Kapitel"], True),
        (["Chapitre premier", "Chapitre deux", "Chapitre 3 — La tour"], True),
        (["Capítulo 1", "Capítulo 2"], True),
        (["Capitolo I", "Capitolo II"], True),
        (["Hoofdstuk 1", "Hoofdstuk 2"], True),
        (["Rozdział 1", "Rozdział 2"], True),
        (["제1장", "제2장 탑", "제3장"], False),
        (["プロローグ", "第一話　梨", "第二話　塔", "エピローグ"], False),
        (["프롤로그", "1화. 배", "2화. 탑", "에필로그"], False),
        (["Пролог", "Глава 1", "Глава 2", "Эпилог: Зима"], True),
        (["Prólogo", "Capítulo 1", "Capítulo 2"], True),
        (["第1章 梨", "第2章 塔", "番外一 磨坊主", "番外二 小芬"], False),
        (["Chapter 1 梨", "Chapter 2 石塔", "Chapter 3 水车"], False),
        (["第一场", "第二场", "第三场"], False),
        (["☆、第 1 章", "☆、第 2 章", "☆、第 3 章"], False),
        (["☆、梨", "☆、石塔", "☆、水车", "★、剪刀"], False),
        (["**第一章 梨**", "**第二章 塔**", "**第三章 水车**"], False),
        (["①", "②", "③"], False),
        (["〈一〉", "〈二〉", "〈三〉"], False),
        (["<1화>", "<2화>", "<3화>"], False),
        (["EP.1", "EP.2", "EP.3"], True),
        (["chapter 1", "chapter 2"], True),
        (["Vol. 1, Chapter 1: The Pears", "Vol. 1, Chapter 2: The Tower", "Vol. 2, Chapter 1: The Wheel"], True),
        (["三月五日　晴", "三月六日　大雨", "三月九日　晴", "四月一日", "四月廿一日　阴"], False),
        (["2021年12月30日 星期四", "2021年12月31日 雪", "2022年1月1日", "2022年1月2日 晴", "2022年2月1日"], False),
        (["2020-02-28", "2020-02-29 At home", "2020-03-01", "2020-03-04", "2021-01-01"], True),
        (["Monday, 3 May", "Tuesday, 4 May", "May 7th", "12 June: at the mill", "June 15th"], True),
        (["28. Februar 1901", "1. März 1901", "2. März 1901", "3. Mai 1901", "24. Dezember 1901"], True),
        (["1 января 1901 г", "2 февраля 1901 г", "3 мая 1901 г", "4 мая 1901 г", "5 мая 1901 г"], True),
        (["บทที่ ๑", "บทที่ ๒ หอคอย"], False),
        (["الفصل الأول", "الفصل الثاني", "الفصل الثالث"], True),
        (["पहला अध्याय", "दूसरा अध्याय", "अध्याय ३"], True),
        (["第一章 梨", "第二章 塔"], False),
    ],
)
@pytest.mark.parametrize("blank", ["", "\n"])
def test_chapters_are_found(titles: list[str], english: bool, blank: str) -> None:
    result = clean(book(titles, english=english, blank=blank))
    assert names(result) == titles
    assert result.report["headings"].removed == sum(map(visible, titles))


def test_many_languages_in_one_text() -> None:
    titles = ["Глава 1", "Глава 2", "Kapitel 1", "Chapitre 2", "Capítulo 3", "제1장", "บทที่ ๑", "第一章"]
    assert names(clean(book(titles, english=True))) == titles


def test_parts_above_chapters_and_numbers_that_begin_again() -> None:
    titles = ["PART ONE", "1", "2", "3", "PART TWO", "1", "2", "3"]
    text = "".join(
        f"{title}\n\n" + (f"{prose(n, english=True)}\n\n" if title.isdigit() else "") for n, title in enumerate(titles)
    )
    assert names(clean(text)) == ["1", "2", "3", "1", "2", "3"]
    titles = ["PART ONE", "1. Pears", "2. Tower", "PART TWO", "1. Wheel", "2. Gong"]
    numbered_titles = [title for title in titles if title[0].isdigit()]
    text = "".join(
        f"{title}\n\n" + (f"{prose(n, english=True)}\n\n" if title in numbered_titles else "")
        for n, title in enumerate(titles)
    )
    assert names(clean(text)) == numbered_titles
    assert names(clean("Contents\n\n" + "\n".join(titles) + "\n\n\n" + text)) == numbered_titles
    titles = ["第一卷 河", "第一章 梨", "第二章 塔", "第二卷 山", "第一章 水车", "第二章 剪刀"]
    result = clean("".join(title + "\n" + (prose(n) + "\n" if "章" in title else "") for n, title in enumerate(titles)))
    assert names(result) == [title for title in titles if "章" in title]
    assert result.report.headings == 6


def test_a_line_between_blank_ones_is_the_title_of_the_number_before_it() -> None:
    titles = ["La torre de piedra", "Ein alter Brief", "What the miller said"]
    text = "".join(f"Capítulo {n}\n\n{title}\n\n{prose(n, english=True)}\n\n" for n, title in enumerate(titles, 1))
    assert names(clean(text)) == [f"Capítulo {n} {title}" for n, title in enumerate(titles, 1)]


@pytest.mark.parametrize(
    ("label", "first"), [("Глава {}", "Шёл снег."), ("제{}장", "눈이 내렸다."), ("Chapter {}", "It snowed.")]
)
def test_a_short_sentence_after_a_number_is_no_title(label: str, first: str) -> None:
    text = "".join(f"{label.format(n)}\n\n{first}\n\n{prose(n, english=True)}\n\n" for n in range(1, 4))
    result = clean(text)
    assert names(result) == [label.format(n) for n in range(1, 4)]
    assert result.text.count(first) == 3


def test_titles_after_a_number_sign_are_headings_and_remarks_are_not() -> None:
    titles = ["# The Pears", "## the first day", "## 塔", "## Nobody came"]
    text = "".join(f"{title}\n\n" + (prose(n, english=True) + "\n\n") * bool(n) for n, title in enumerate(titles))
    assert names(clean(text)) == titles[1:]
    remarks = "".join(f"{prose(n, english=True)}\n# a remark\n" for n in range(4))
    assert clean(remarks).report.headings == 0


@pytest.mark.parametrize(
    "line",
    [
        "第一回 她没有说话",
        "第一回她没有说话",
        "第二天 大家都走了",
        "第九章 他只读到这里",
        "第三部电影他看了两遍",
        "第一集 他没有看完",
        "Chapter 9",
        "1984",
        "42",
        "III",
        "3、不许动",
    ],
)
def test_a_line_that_does_not_fit_the_book_is_prose(line: str) -> None:
    titles = [f"第{n}章 {title}" for n, title in zip("一二三四五六", "梨塔车剪星灯", strict=True)]
    chapters = [f"{title}\n{prose(n)}\n" for n, title in enumerate(titles)]
    chapters[3] += f"{line}\n{prose(9)}\n"
    result = clean("".join(chapters))
    assert names(result) == titles
    assert line in result.text.split("\n") or line in result.text


def test_dates_within_a_chapter_are_no_headings() -> None:
    days = "".join(f"三月{n}日\n{prose(n)}\n" for n in range(11, 17))
    assert names(clean(f"第一章 梨\n{prose(1)}\n{days}第二章 塔\n{prose(2)}\n")) == ["第一章 梨", "第二章 塔"]
    assert clean("".join(f"{prose(n)}\n三月{n}日，他走了。\n" for n in range(1, 9))).report.headings == 0


def test_lists_verses_times_and_years_are_no_headings() -> None:
    steps = "1. 洗梨\n2. 切梨\n3. 煮梨\n4. 吃梨\n"
    verses = "".join(f"{n} 后来{who}回家了。\n" for n, who in enumerate(WHO, start=1))
    times = "6:30 起床\n7:15 出门\n8:00 到塔下\n"
    years = "1984\n1985\n1987\n"
    text = prose(1) + "\n" + steps + prose(2) + "\n" + verses + prose(3) + "\n" + times + prose(4) + "\n" + years
    assert clean(text).report.headings == 0
    english = "1. wash the pears\n2. cut them up\n3. boil them\n"
    assert clean(prose(1, english=True) + "\n\n" + english + "\n" + prose(2, english=True)).report.headings == 0


@pytest.mark.parametrize(
    ("front", "titles"),
    [
        ("目录\n第一章 梨 ………… 1\n第二章 塔 ………… 12\n第三章 水车 ………… 30\n", ["第一章 梨", "第二章 塔", "第三章 水车"]),
        ("第一章 梨\n第二章 塔\n第三章 水车\n\n", ["第一章 梨", "第二章 塔", "第三章 水车"]),
        ("1.梨\n2.塔\n3.水车\n\n", ["1.梨", "2.塔", "3.水车"]),
        (
            "CONTENTS\n\nThe Pears . . . . . 1\nThe Tower . . . . . 9\nThe Wheel . . . . 20\n\n",
            ["1. The Pears", "2. The Tower", "3. The Wheel"],
        ),
        ("Contents\n\nTHE PEARS\nTHE TOWER\nTHE WHEEL\n\n\n", ["THE PEARS", "THE TOWER", "THE WHEEL"]),
        (
            "Chapter 1: The Pears\t5\nChapter 2: The Tower\t17\nChapter 3: The Wheel\t31\n\n",
            ["Chapter 1: The Pears", "Chapter 2: The Tower", "Chapter 3: The Wheel"],
        ),
    ],
)
def test_a_table_of_contents_goes_as_a_whole(front: str, titles: list[str]) -> None:
    result = clean(front + book(titles, english=titles[0].isascii()))
    assert names(result) == titles
    assert result.report.headings == len(titles)
    assert result.report["contents"].removed == visible(front)


def test_a_refrain_is_no_table_of_contents() -> None:
    refrain = "水车转啊转\n梨花白啊白\n阿蓝走啊走\n"
    text = refrain + prose(1) + "\n" + refrain + prose(2) + "\n" + refrain
    assert clean(text).report["contents"].count == 0


def test_a_long_text_without_headings_says_so() -> None:
    long = "\n".join(prose(n) for n in range(60))
    assert [note.key for note in clean(long).report.notes] == ["text.note_no_headings"]
    (near,) = clean(f"3. 不许动\n{long}\n第三部电影他看了\n{prose(3)}").report.notes
    assert str(near).startswith("no chapter headings were found: lines such as “3. 不许动 | 第三部电影他看了” stayed")
    assert clean("第一章 梨\n" + long).report.notes == clean(prose(1)).report.notes == []


def pages(mark: str, numbers: list[int]) -> str:
    return "\n".join(f"{prose(n)}\n{mark.format(number)}" for n, number in enumerate(numbers))


@pytest.mark.parametrize("mark", ["{}", "- {} -", "第{}页", "Page {} of 90", "[{}]", "— {} —"])
def test_page_numbers_rise_evenly(mark: str) -> None:
    result = clean(pages(mark, [*range(7, 13), 14, 15]))
    assert result.report["page_numbers"].count == 8
    assert result.report.headings == 0
    assert not any(mark.format(n) in result.text.split("\n") for n in range(7, 16))


@pytest.mark.parametrize(
    "numbers",
    [[610, 8962, 7462, 9398, 181, 43, 6397, 12, 4517], [1984], [42, 1984], [9, 8, 7, 6, 5, 4], [3, 3, 3, 3]],
)
def test_other_numbers_alone_on_a_line_stay(numbers: list[int]) -> None:
    assert clean(pages("{}", numbers)).report["page_numbers"].count == 0
    alone = "\n".join(map(str, numbers))
    assert clean(alone).text == alone


def test_what_the_user_keeps_stays() -> None:
    text = "目录\n第一章 梨\n第二章 塔\n第三章 车\n\n" + book(["第一章 梨", "第二章 塔", "第三章 车"])
    kept = clean(text, CleanSettings.parse({"keep": "^第二章"}))
    assert names(kept) == [None, "第一章 梨", "第三章 车"] and kept.text.count("第二章 塔") == 2
    assert clean(pages("- {} -", [1, 2, 3]), CleanSettings.parse({"keep": "- 2 -"})).text.count("- 2 -") == 1


def test_counting_is_no_row_of_pages() -> None:
    counting = "\n".join(map(str, range(1, 81)))
    assert clean(counting).text == counting


def test_an_answer_among_page_numbers_stays() -> None:
    text = pages("{}", [*range(1, 9)]).replace("\n5\n", "\n42\n后来阿蓝回家了。\n5\n")
    result = clean(text)
    assert result.report["page_numbers"].count == 8 and "42" in result.text.split("\n")


@pytest.mark.parametrize(
    ("numeral", "wanted"),
    [
        *[("12", 12), ("１２", 12), ("๑๒", 12), ("十二", 12), ("一百零八", 108), ("廿三", 23), ("一〇八", 108)],
        *[("兩百", 200), ("XIV", 14), ("Ⅻ", 12), ("xl", 40), ("The First", 1), ("Twenty-One", 21), ("twelfth", 12)],
        *[("梨", None), ("", None)],
    ],
)
def test_values_of_numerals(numeral: str, wanted: int | None) -> None:
    assert value(numeral) == wanted


some_lines = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "第一章 梨",
                "第二回",
                "目录",
                "Contents",
                "1. The Pears",
                "2. The Tower",
                "THE WHEEL",
                "I",
                "II",
                "1",
                "2",
                "3",
            ]
        ),
        st.sampled_from(
            ["", "Глава 1", "# 2", "제1장", "- 4 -", "第5页", "第一章 梨 …… 3", prose(1), prose(2), "Part One"]
        ),
        st.text(max_size=40).map(lambda text: " ".join(text.splitlines())),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(some_lines)
def test_what_goes_is_counted(lines: list[str]) -> None:
    found = survey(lines)
    for rule in (page_numbers.apply, contents.apply, headings.apply):
        tally = RuleReport()
        kept = [*rule(numbered(lines), found, tally)]
        left = sum(visible(event) for event in kept if not isinstance(event, Heading))
        assert sum(map(visible, lines)) == left + tally.removed


def test_a_text_that_a_rule_takes_whole_is_refused_with_the_rules_name(tmp_path: Path) -> None:
    text = "".join(f"- {n} -\n" for n in range(1, 200))
    with pytest.raises(
        UserError, match=r"the rule page_numbers removed \d+, such as “- 1 -”; .*--no-clean.page_numbers"
    ):
        prepare(TextBook("pages", lambda: iter((text,))), tmp_path)
    kept = prepare(TextBook("pages", lambda: iter((text,))), tmp_path, CleanSettings(skip=("page_numbers",)))
    assert sum(map(kept.characters, PARTS)) == sum(map(len, text.split("\n")))
