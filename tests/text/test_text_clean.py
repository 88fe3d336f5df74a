"""Cleaning: headings, furniture, wrapping, sentences, repairs; nothing is lost that the report does not account for."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_helpers import clean

from modou.messages import UserError
from modou.settings.text import RULES, CleanSettings
from modou.text.headings import candidate
from modou.text.readers.book import read_book
from modou.text.report import visible
from modou.text.sentences import split_sentences

ONLY_HEADINGS = CleanSettings(skip=tuple(name for name in RULES if name != "headings"))
TALE = "魔豆落在井边，一夜长到云里。阿青说：“上去看看！”小黄摇头：“我怕高……”两人争了半天？谁也不肯让。"
STORY = "The bean grew all night. By morning it had reached the clouds, and nobody could see its top."


def accounted(result) -> bool:
    rules = result.report.rules.values()
    expected = result.report.input_characters + sum(rule.added - rule.removed for rule in rules)
    return expected == result.report.output_characters == visible(result.text)


@pytest.mark.parametrize(
    "line",
    [
        "第一回",
        "第十二章 井边的豆子",
        "第3章：上云",
        "第１２节　夜雨",
        "## 第四章 归途",
        "【第五卷】风起",
        "魔豆记 第一回 豆落古井 藤入青云",
        "第一百零八段",
        "第廿三回 夜半敲门声",
        "第二部 远行",
        "卷三",
        "卷之一",
        "楔子",
        "序",
        "尾声",
        "番外 阿青的井",
        "CHAPTER I.",
        "CHAPTER XII",
        "Chapter 12: The Well",
        "Chapter One",
        "BOOK THE FIRST",
        "PART II. THE CLOUD",
        "Part I The Cloud",
        "Prologue",
        "Epilogue: After the Rain",
    ],
)
def test_headings_are_seen(line: str) -> None:
    found = candidate(line)
    assert found is not None and not found.rest


@pytest.mark.parametrize(
    "line",
    [
        "第二日天刚亮，阿青就出了门。",
        "第三回合，小黄终于赢了。",
        "第二部分要讲的是井。",
        "第一节课上到一半，下雨了。",
        "第三集团军过了河",
        "第一章里写的那口井，如今还在。",
        "他把第三章念了一遍，又念一遍。",
        "“第一回来这里？”阿青问。",
        "序幕拉开的时候，台下没有人。",
        "卷起袖子就干。",
        "上部分的藤已经枯了。",
        "Part of the bean was gone.",
        "Book I read yesterday, and again today.",
        "Chapter 12 was torn out of it.",
        "Part I of the way they walked.",
        "Introduction is not my strength.",
        "Chapters are cheap.",
    ],
)
def test_sentences_are_no_headings(line: str) -> None:
    found = candidate(line)
    assert found is None or clean(f"{TALE}\n{line}\n{TALE}\n{STORY}").report.headings == 0


def test_heading_shares_its_line_with_the_chapter() -> None:
    text = "\n".join(
        [f"豆书第一段  {TALE}"] + [f"第{n}段  {TALE}{n}。" for n in "二三四"] + [f"没有标题的一行。{TALE}"]
    )
    result = clean(text)
    assert [chapter.heading for chapter in result.chapters] == ["豆书第一段", "第二段", "第三段", "第四段", None]
    assert result.chapters[0].line == TALE
    assert result.chapters[1].line == TALE + "二。"
    assert accounted(result)


def test_titles_after_a_bare_heading_belong_to_it() -> None:
    text = f"第一回\n\n阿青拾豆落古井　小黄攀藤入青云\n\n{TALE}\n第二回 云上有人家\n雨后无归路\n{TALE}又一天。\n"
    result = clean(text)
    assert [c.heading for c in result.chapters] == [
        "第一回 阿青拾豆落古井　小黄攀藤入青云",
        "第二回 云上有人家 雨后无归路",
    ]
    assert "拾豆" not in result.text
    assert accounted(result)


def test_title_page_and_contents_go_with_the_headings() -> None:
    contents = "第一章 井\n第二章 藤\n第三章 云\n"
    body = "".join(f"第{n}章 {t}\n　　{TALE}{t}。\n\n" for n, t in zip("一二三", "井藤云", strict=True))
    result = clean(f"魔豆记\n某人 著\n\n{contents}\n{body}")
    assert len(result.chapters) == 3
    assert "某人" not in result.text and "第" not in result.text
    assert accounted(result)


def test_english_book() -> None:
    page = (
        "The bean grew all night. By morning it had reached the clouds, and\n"
        "nobody could see its top. Mr. Fenn of No. 4 came out at 6.30 and\n"
        "said, “Who did this?” Nobody answered him; the well was silent, as\n"
        "it had been since J. R. Marl drew the last bucket from it.\n\n"
        "“It was me!” cried the girl. She was not afraid of him or of the\n"
        "bean, though it had grown through the roof of the old barn and was\n"
        "still growing.\n\n"
        "    Up and up the green stair goes\n    Where it ends the swallow knows\n\n"
    )
    chapters = "".join(
        f"CHAPTER {n}.\nThe {t} Day\n\n{page}" for n, t in (("I", "First"), ("II", "Next"), ("III", "Last"))
    )
    frame = "*** START OF THE PROJECT GUTENBERG EBOOK THE BEAN ***\n"
    end = frame.replace("START", "END")
    text = f"Licence talk.\n{frame}\nTHE BEAN\n\n{chapters}\n{end}More talk.\n"
    result = clean(text, CleanSettings(skip=("duplicates",)))
    assert [c.heading for c in result.chapters] == [
        "CHAPTER I. The First Day",
        "CHAPTER II. The Next Day",
        "CHAPTER III. The Last Day",
    ]
    assert result.chapters[1].sentences == [
        "The bean grew all night.",
        "By morning it had reached the clouds, and nobody could see its top.",
        "Mr. Fenn of No. 4 came out at 6.30 and said, “Who did this?”",
        "Nobody answered him; the well was silent, as it had been since J. R. Marl drew the last bucket from it.",
        "“It was me!” cried the girl.",
        "She was not afraid of him or of the bean, though it had grown through the roof of the old barn and was still"
        " growing.",
        "Up and up the green stair goes",
        "Where it ends the swallow knows",
    ]
    assert "talk" not in result.text
    assert accounted(result)
    assert clean(text).report["duplicates"].count == 2


def test_chinese_wrapped_lines_are_joined_and_verse_is_kept() -> None:
    prose = "　　" + TALE.replace("……", "，") * 6
    lines = [prose[start : start + 24] for start in range(0, len(prose), 24)]
    verse = ["青藤一夜过东墙，", "井底星光照瓦霜。", "借问云中谁是主，", "人间只见豆花香。"]
    result = clean("\n".join([*lines, *verse]))
    assert "".join(result.chapters[0].sentences).startswith(prose.strip())
    assert result.chapters[0].sentences[-4:] == verse
    assert result.report["unwrap"].count >= len(lines) - 2
    only_verse = "\n".join(verse * 10)
    assert clean(only_verse, CleanSettings(skip=("duplicates",))).report["unwrap"].count == 0


def test_furniture() -> None:
    pages = ["- 12 -", "- 13 -", "第12页", "第13页", "Page 3 of 9", "Page 4 of 9"]
    noise = [
        *pages,
        "* * *",
        "————————",
        "[Illustration]",
        "[Illustration: The bean]",
        "请记住本站网址：www.example.com",
        "（本章完）",
    ]
    text = "\n".join(f"{TALE}\n{item}" for item in noise)
    result = clean(text, CleanSettings(skip=("duplicates",)))
    assert result.text == "\n".join("\n".join(split_sentences(TALE)) for _ in noise)
    counts = {name: rule.count for name, rule in result.report.rules.items()}
    wanted = {"page_numbers": len(pages), "furniture": 4, "notices": 1, "author_notes": 1}
    assert {name: counts[name] for name in wanted} == wanted
    assert accounted(result)
    assert (
        clean("“……”\n一九八四\n他在网上找了很久，最后在example.com的旧页面里见到了那颗豆子。").report["furniture"].count
        == 0
    )


def test_repairs_touch_chinese_only() -> None:
    result = clean("他说,好!她问：去吗?去.走了．“豆子,”他笑. Bean, no. 1.5 A,B 甲A,乙 3:20\ue229完")
    assert (
        result.chapters[0].line.replace(" ", "")
        == "他说，好！她问：去吗？去。走了。“豆子，”他笑。Bean,no.1.5A,B甲A,乙3:20完"
    )
    assert result.report["private_use"].kinds == {"U+E229": 1}
    untouched = 'He said, "no." Then: 3.5, 4! "Why?" (A;B)'
    assert clean(untouched).chapters[0].line == untouched


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("他说：“走！”她不走。", ["他说：“走！”", "她不走。"]),
        ("“真的？！”他问。", ["“真的？！”", "他问。"]),
        ("（他走了。）天黑了。", ["（他走了。）", "天黑了。"]),
        ("我怕……你呢？", ["我怕……", "你呢？"]),
        ("“好！”，他说。", ["“好！”，他说。"]),
        ('他说："走。"她说："不。"完。', ['他说："走。"', '她说："不。"', "完。"]),
        ("他走了。'好'他说。", ["他走了。", "'好'他说。"]),
        ("没有句号的一行", ["没有句号的一行"]),
        (
            "Dr. Bean met J. R. Fenn at 3.5 miles. Then he left!",
            ["Dr. Bean met J. R. Fenn at 3.5 miles.", " Then he left!"],
        ),
        ("“Stop!” he said. “Why?” Nobody knew...", ["“Stop!” he said.", " “Why?”", " Nobody knew..."]),
        ("e.g. this one, i.e. that one.", ["e.g. this one, i.e. that one."]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_a_sentence_without_end_is_cut_and_nothing_lost() -> None:
    text = "豆" * 2500 + "，" + "藤" * 300
    assert "".join(split_sentences(text)) == text
    assert max(map(len, split_sentences(text))) <= 1000


def test_duplicates_and_spaces_and_control() -> None:
    text = f"第一章\n{TALE}\n第二章\n\u200b{TALE}\n第三章\n别的\u3000\u3000话。\x07\ufeff\n"
    result = clean(text)
    assert len(result.chapters) == 2
    assert result.chapters[1].sentences == ["别的 话。"]
    assert result.report["duplicates"].count == 1
    assert accounted(result)


def test_simplify_on_request() -> None:
    assert clean("龍門陣擺了一夜。", CleanSettings(simplify=True)).text == "龙门阵摆了一夜。"
    assert clean("龍門陣擺了一夜。").text == "龍門陣擺了一夜。"


def test_switches_switch_off() -> None:
    text = f"第一章 井\n{TALE}\n- 3 -\n他说,好\ue000\n"
    result = clean(text, CleanSettings(skip=("headings", "page_numbers", "punctuation", "private_use")))
    assert "第一章 井" in result.text and "- 3 -" in result.text and "他说,好\ue000" in result.text


pieces = st.sampled_from(
    [
        "第一章 井\n",
        "第二回\n",
        "第三段  豆子发芽，",
        "CHAPTER IV.\n",
        "序\n",
        "12\n",
        "* * *\n",
        "\r\n",
        "\n\n",
        "\r",
        "　　",
        "豆子，",
        "藤。",
        "“去！”",
        "……",
        "?",
        ",",
        ".",
        "．",
        "A bean. ",
        "Grew tall, ",
        '"',
        "'",
        "\ufeff",
        "\x00",
        "\ue123",
        "www.example.com\n",
        "\u200b",
        "\t",
        " ",
        "（本章完）\n",
        "！？",
        "-",
        "《",
        "龍",
        "𠮷",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(pieces, max_size=60).map("".join), st.text(max_size=200)))
def test_nothing_is_lost_beyond_the_report(text: str) -> None:
    assert accounted(clean(text))


sentence = st.builds(
    lambda first, words, end: first + "".join(words) + end,
    st.sampled_from(["豆子", "青藤", "他说", "云上"]),  # no sentence of a book begins with a colon
    st.lists(
        st.sampled_from(["豆子", "青藤", "他说", "云上", "井边，", "一夜", "“走”", "：", "、"]), min_size=2, max_size=11
    ),
    st.sampled_from(["。", "！", "？", "……", "。”", "！？"]),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(sentence, min_size=2, max_size=8), min_size=1, max_size=6))
def test_cleaning_again_changes_nothing(chapters: list[list[str]]) -> None:
    book = "\n".join(f"第{n}章 豆\n\n" + "　　" + "".join(text) + "\n" for n, text in enumerate(chapters, start=1))
    prose = CleanSettings(layout="prose")  # a few short sentences alike may be taken for verse or talk
    once = clean(book, prose)
    again = clean(once.text, prose)
    assert again.text == once.text


def test_line_ends_and_encodings_make_no_difference(tmp_path: Path) -> None:
    text = "".join(f"第{n}章 井\n\n　　{TALE}{n}。\n" for n in range(1, 9))
    wanted = clean(text).text
    variants = {
        "utf8": text.encode(),
        "crlf": text.replace("\n", "\r\n").encode(),
        "cr": text.replace("\n", "\r").encode(),
        "bom": text.encode("utf-8-sig"),
        "gb": text.encode("gb18030"),
        "gbk_crlf": text.replace("\n", "\r\n").encode("gbk"),
        "utf16": text.encode("utf-16"),
        "utf16le": text.encode("utf-16-le"),
        "utf16be": text.encode("utf-16-be"),
    }
    for name, data in variants.items():
        path = tmp_path / f"{name}.txt"
        path.write_bytes(data)
        assert clean(read_book(path)).text == wanted, name


def test_the_novel(shuihu_path: Path) -> None:
    """161 headings and nothing else; the published figures of the split."""
    result = clean(read_book(shuihu_path), ONLY_HEADINGS)
    lines = ["".join(chapter.sentences) for chapter in result.chapters]
    assert len(lines) == 165
    assert [n for n, c in enumerate(result.chapters, start=1) if c.heading is None] == [77, 97, 98, 154]
    test = [line for n, line in enumerate(lines, start=1) if n % 20 == 10]
    train = [line for n, line in enumerate(lines, start=1) if n % 20 not in (0, 10)]
    assert (sum(map(len, train)), sum(map(len, test))) == (776_762, 41_257)
    digest = hashlib.sha256("\n".join(test).encode()).hexdigest()
    assert digest == "0e19363d1f5644f1be2d9ac0c7c73d69de91c53764639b6e468bd631d4d98142"
    raw = shuihu_path.read_text(encoding="utf-8-sig").split("\n")
    for line, chapter, kept in zip(raw, result.chapters, lines, strict=True):
        assert line.startswith(chapter.heading or "") and line.endswith(kept)
        assert len(line) - len(kept) in (0, len(chapter.heading or "") + 2)


def test_unknown_codec_is_a_users_mistake(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TALE, encoding="utf-8")
    with pytest.raises(UserError, match="no encoding"):
        read_book(path, "utf-99")
