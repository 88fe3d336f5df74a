"""Aozora Bunko's markup goes, glyphs that notes describe come; titles in 《》 of other texts stay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_helpers import clean

from modou.text.headings import Heading
from modou.text.report import RuleReport, visible
from modou.text.rules.aozora import apply

BLOCK = ["-" * 40, "【テキスト中に現れる記号について】", "", "《》：ルビ", "｜：ルビの付く文字列の始まり", "-" * 40]
NOTE = "［＃３字下げ］"


def cleaned(*lines: str) -> list[str | Heading]:
    return list(apply(lines, RuleReport()))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("狐《きつね》が橋《はし》を渡る。", "狐が橋を渡る。"),
        ("古い｜水車小屋《すいしゃごや》で", "古い水車小屋で"),
        ("｜Blue《ブルー》な朝", "Blueな朝"),
        ("猫の名は｜ＡＢ《エービー》", "猫の名はＡＢ"),
        ("走った［＃「走った」に傍点］。", "走った。"),
        ("［＃７字下げ］二［＃「二」は中見出し］", "二"),
        ("堂々※［＃二の字点、1-2-22］と", "堂々〻と"),
        ("※［＃「口＋花」、U+20BB7、12-3］の字", "𠮷の字"),
        ("※［＃「木＋花」］の字", "※の字"),
    ],
)
def test_a_line(line: str, wanted: str) -> None:
    tally = RuleReport()
    assert list(apply([NOTE, line], tally)) == [wanted]
    assert visible(NOTE + line) - tally.removed + tally.added == visible(wanted)


def test_explanation_and_colophon_go() -> None:
    text = ["狐の橋", "", *BLOCK, "", "狐《きつね》がいた。", "", "底本：「狐」架空文庫", "入力：だれか"]
    assert cleaned(*text) == ["狐の橋", "", "", "狐がいた。", ""]


def test_readings_alone_are_enough() -> None:
    assert cleaned("狐《きつね》と月《つき》と", "橋《はし》。") == ["狐と月と", "橋。"]
    assert cleaned("|水車小屋《ミル》で《聖なる剣》を見た") == ["水車小屋で《聖なる剣》を見た"]


@pytest.mark.parametrize(
    "lines",
    [
        ["他读《红楼梦》和《水浒传》，又读《西游记》。", "底本：某书"],
        ["狐《きつね》を見た。"],
        ["-" * 20, "A table", "-" * 20, "底本はない"],
        ["a | b | c", "《a》《b》《c》"],
    ],
)
def test_other_texts_are_as_they_were(lines: list[str]) -> None:
    assert cleaned(*lines) == lines


def test_dashes_that_explain_nothing_stay() -> None:
    lines = ["狐［＃改行］", "-" * 20, "橋", "-" * 20, "月"]
    assert cleaned(*lines) == ["狐", *lines[1:]]
    assert cleaned(*lines[:3]) == ["狐", *lines[1:3]]


def test_a_whole_text() -> None:
    text = "\n".join([*BLOCK, *(f"　狐《きつね》が{n}匹《ひき》、月《つき》を見た。" for n in range(20)), "底本：架空"])
    result = clean(text)
    assert result.text.split("\n") == [f"狐が{n}匹、月を見た。" for n in range(20)]


piece = st.sampled_from(
    [
        "狐",
        "《きつね》",
        "《",
        "》",
        "｜",
        "［＃注］",
        "※［＃1-2-22］",
        "※［＃U+D800］",
        "底本：",
        "\n",
        "-" * 10,
        "《》：",
        " ",
        "|",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(piece, max_size=40).map("".join))
def test_what_goes_is_counted(text: str) -> None:
    after = list(apply(text.split("\n"), tally := RuleReport()))
    assert visible(text) - tally.removed + tally.added == visible("".join(map(str, after)))
