"""Notices of sites and authors' words go; sentences of a story that resemble them stay; counting stays exact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_helpers import clean

from modou.settings.text import CleanSettings
from modou.text.examples import Example, shown
from modou.text.notices import is_address, is_notice
from modou.text.report import RuleReport, visible
from modou.text.rules import author_notes, furniture, notices
from modou.text.survey import survey

TALE = "磨坊的水车转了一夜。阿蓝在门口数星星，数到三百就睡着了。"
STORY = "The mill wheel turned all night. Blue counted the stars by the door and fell asleep at three hundred."


@pytest.mark.parametrize(
    "line",
    [
        "一秒记住【水车文学】，最快更新《磨坊夜话》！",
        "天才壹秒記住本站地址：shuiche點com",
        "請記住本站網址：www.shuiche.example，方便下次閱讀。",
        "ｗｗｗ．ｓｈｕｉｃｈｅ．ｃｏｍ",
        "（本章未完，请点击下一页继续阅读）",
        "手机版阅读网址：m.shuiche.example",
        "手机用户请访问手机站继续阅读",
        "最新章节请上水车小说网",
        "更多精彩小说请访问水车小说网",
        "喜欢磨坊夜话请大家收藏：磨坊夜话水车文学网更新速度最快。",
        "本书由水车小说网首发",
        "本文首发水车文学城，请勿转载",
        "作者有话说：今天只有一更。",
        "本章共3页，当前第1页",
        "（防盗章节，稍后替换）",
        "下载水车APP，免费看全本",
        "上一章 返回目录 下一章",
        "章节错误，点此举报",
        "书友群：123456789",
        "磨坊夜话最新章节，磨坊夜话全文阅读",
        "This content is taken from waterwheelnovel[.]com",
        "The source of this content is waterwheel dot com.",
        "Visit waterwheel for the best novel reading experience.",
        "If you find any errors ( broken links, ads popups ), let us know < report chapter >.",
        "This story has been unlawfully obtained without the author's consent. Report any appearances on Amazon.",
        "Stolen content: this tale belongs on Royal Road. Report any sightings.",
        "Read latest chapters at Water Wheel Only",
        "Please support us on Patreon for early chapters.",
        "Join our Discord server!",
        "< Previous Chapter | Table of Contents | Next Chapter >",
    ],
)
def test_notices_of_sites_go_wherever_they_stand(line: str) -> None:
    tale = TALE if any(char >= "\u3400" for char in line) else STORY
    result = clean(f"{tale}一。\n{line}\n{tale}二。\n" * 3)
    assert is_notice(line) or is_address(line)
    assert result.report["notices"].count + result.report["furniture"].count == 3
    assert result.report.input_characters - result.report.output_characters >= 3 * visible(line)


@pytest.mark.parametrize(
    "line",
    [
        "请掌柜收藏好这封信。",
        "他下载了那个软件，一直看到天亮。",
        "这一章共有三页，他读到第二页就睡着了。",
        "请大家阅读墙上的告示，然后散去。",
        "请记住本站的规矩：先上后下。",
        "更多的书在楼上，请到二楼阅读。",
        "最新的账本要等老板回来才能下载到电脑里。",
        "欢迎你来我家收藏室看看",
        "收藏旧灯的人整理了一下衣襟。",
        "下载好的地图放在抽屉里",
        "喜欢这盏灯的话，请您收藏。",
        "手机响了三声，请他进来的人没有接。",
        "本书由他一个人整理，花了三年。",
        "作者的话让他想了很久。",
        "他四处求推荐信，又求收藏家看画。",
        "第二页完了，他又翻下一页读起来",
        "Visit the old mill for the best view of the river.",
        "If you find any errors, tell the miller before noon.",
        "Read the latest letters at supper, and burn them.",
        "This content of the box is taken from the cellar.",
        "The story was taken from the old men, and no novel holds it.",
        "She will report it: the book was stolen without permission.",
        "Join the others at the well and support the beam.",
        "Find the next chapter of the ledger on the shelf.",
        "Translator and editor sat down to tea.",
        "I met him at mill.com.",
    ],
)
def test_sentences_of_a_story_stay(line: str) -> None:
    chinese = any(char >= "\u3400" for char in line)
    tale, title = (TALE, "第{}章 水车") if chinese else (STORY, "Chapter {}")
    text = f"{title.format(1)}\n{line}\n{tale}\n{tale}\n{title.format(2)}\n{tale}一。\n"
    result = clean(text)
    assert line in result.text.replace("\n", "" if chinese else " ")
    assert sum(result.report[name].count for name in ("notices", "furniture", "author_notes")) == 0


@pytest.mark.parametrize(
    "line",
    [
        "PS：第二更送到，求月票！",
        "作者的话：谢谢大家的地雷",
        "新书上传，求收藏，求推荐票！",
        "感谢书友小蓝的打赏",
        "（本章完）",
        "未完待续……",
        "Translator: Blue   Editor: Fenn",
        "To be continued...",
        "Author's note: a short one today",
        "P.S. Thanks for all the reviews!",
    ],
)
def test_authors_words_go_at_the_edges_of_chapters(line: str) -> None:
    body = "\n".join(f"{n}看见{TALE}" for n in "甲乙丙丁戊己庚辛壬癸")
    at_end = clean(f"第一章 水车\n{body}\n{line}\n第二章 星星\n{body}天亮了。\n")
    at_start = clean(f"第一章 水车\n{line}\n{body}\n第二章 星星\n{body}天亮了。\n")
    for result in (at_end, at_start):
        assert result.report["author_notes"].examples == [Example(shown(line), "")]
        assert result.report["author_notes"].removed == visible(line)
    in_the_middle = clean(f"第一章 水车\n{body}\n{line}\n{body}天亮了。\n")
    assert in_the_middle.report["author_notes"].count == 0
    repeated = clean(f"第一章 水车\n{body}\n{line}\n{body}天亮了。\n{line}\n{body}天黑了。\n")
    assert repeated.report["author_notes"].count == 2


def test_a_notice_in_brackets_goes_without_the_sentence_around_it() -> None:
    result = clean(f"水车停了。（记住本站：w-w-w.shui-che.c o m）阿蓝（他醒）站起来。\n{TALE}\n")
    assert result.text.startswith("水车停了。\n阿蓝（他醒）站起来。\n")
    assert result.report["notices"].examples == [
        Example("水车停了。（记住本站：w-w-w.shui-che.c o m）阿蓝（他醒）站起来。", "水车停了。阿蓝（他醒）站起来。")
    ]


def test_what_the_user_keeps_stays() -> None:
    text = f"{TALE}\n一秒记住本站\nwww.shuiche.com\n------\n求月票！\n"
    assert clean(text).text.split("\n") == clean(TALE).text.split("\n")
    kept = clean(text, CleanSettings.parse({"keep": "记住|shuiche|--|月票"})).text
    assert kept == clean(TALE).text + "\n一秒记住本站\nwww.shuiche.com\n------\n求月票！"


lines = st.lists(
    st.one_of(
        st.text(max_size=60).map(lambda text: " ".join(text.splitlines())),
        st.sampled_from(
            ["一秒记住本站", "（请记住本站网址：a.com）", "求月票！", "待续", "- - -", "www.a.com", TALE, "", "[a](b)"]
        ),
        st.builds("{}（本章未完，请翻页）{}".format, st.text(max_size=5), st.sampled_from(["水车。", ""])),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(lines)
def test_what_goes_is_counted(given_lines: list[str]) -> None:
    for rule in (notices.apply, furniture.apply):
        tally = RuleReport()
        kept = [*rule(given_lines, tally)]
        assert (
            sum(map(visible, given_lines))
            == sum(visible(line) for line in kept if isinstance(line, str)) + tally.removed
        )
    tally = RuleReport()
    kept = [*author_notes.apply(given_lines, survey(given_lines), tally)]
    assert (
        sum(map(visible, given_lines)) == sum(visible(line) for line in kept if isinstance(line, str)) + tally.removed
    )
