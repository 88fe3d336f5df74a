"""What cannot be seen: control sequences and characters go and are counted, marks that carry meaning stay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.text.examples import Example, shown
from modou.text.headings import Heading
from modou.text.report import RuleReport, visible
from modou.text.rules.control import apply

SEQUENCES = [
    "\x1b[31m",
    "\x1b[0m",
    "\x1b[2K",
    "\x1b[38;5;12m",
    "\x1b[?25l",
    "\x1b]0;titre\x07",
    "\x1b]8;;x:y\x1b\\",
    "\x9b1m",
    "\x9b0m",
    "\x9b2J",
    "\x1b(B",
    "\x1b7",
    "\x9bm",
]


def seen(*lines: str) -> tuple[list[str | Heading], RuleReport]:
    tally = RuleReport()
    return list(apply(lines, tally)), tally


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_a_sequence_goes_whole(sequence: str) -> None:
    lines, tally = seen(f"{sequence}The kettle{sequence} sang.")
    assert lines == ["The kettle sang."]
    assert tally.count == 2 and tally.removed == 2 * visible(sequence)
    before, after = tally.examples[1].before, tally.examples[1].after
    assert before.startswith(f"The kettle{shown(sequence[0])}") and after == "The kettle sang."


@pytest.mark.parametrize("text", ["[31m is red", "array[0m]", "]0;name", "caf\x9b\xe9"])
def test_without_escape_it_is_text(text: str) -> None:
    assert seen(text)[0] == [text.replace("\x9b", "")]


def test_nul_is_counted() -> None:
    lines, tally = seen("The ket\x00tle", "sang.\x00\x00")
    assert lines == ["The kettle", "sang."]
    assert tally.count == tally.removed == 3 and tally.examples[0] == Example("The ket[U+0000]tle", "The kettle")


@pytest.mark.parametrize(
    "text",
    [
        "แมว\u200bนอน",
        "ແມວ\u200bນອນ",
        "ឆ្មា\u200bដេក",
        "ကြောင်\u200bအိပ်",
        "می\u200cخواهم",
        "क्\u200dष",
        "👩\u200d🌾",
        "❤\ufe0f",
        "葛\U000e0100",
    ],
)
def test_what_carries_meaning_stays(text: str) -> None:
    assert seen(text) == ([text], RuleReport())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ket\u200btle", "kettle"),
        ("\u200bแมว\u200b นอน\u200b", "แมว นอน"),
        ("แมว\u200b\u200bนอน", "แมว\u200bนอน"),
        ("ket\u00adtle", "kettle"),
        ("\u202bشاي\u202c\u200f.", "شاي."),
        ("\ufeffkettle\u2060", "kettle"),
        ("\u2066x\u2069\u061cy", "xy"),
    ],
)
def test_what_carries_none_goes(text: str, wanted: str) -> None:
    lines, tally = seen(text)
    assert lines == [wanted] and tally.removed == tally.count == visible(text) - visible(wanted)


def test_a_soft_hyphen_at_a_line_end_divides_a_word() -> None:
    assert seen("The ket\u00ad", "tle sang, the ket\u00ad", "tle")[0] == ["The kettle", "sang, the kettle"]
    assert seen("The ket\u00ad")[0] == ["The ket"]
    assert seen("The ket\u00ad", "", "sang.")[0] == ["The ket", "", "sang."]


def test_headings_pass_and_separators_end_lines() -> None:
    tally = RuleReport()
    lines = list(apply(["ket\u00ad", Heading("II"), "a\u2028b\x0cc"], tally))
    assert lines == ["ket", Heading("II"), "a", "b", "c"]


piece = st.sampled_from(
    [
        "\x1b",
        "[",
        "3",
        "m",
        "]",
        "\x07",
        "\\",
        "\x9b",
        "ก",
        "\u200b",
        "\u00ad",
        "a ",
        "\x00",
        "\x85",
        "\u2028",
        ";",
        "\ufeff",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(piece, max_size=20).map("".join), max_size=5))
def test_what_goes_is_counted(lines: list[str]) -> None:
    after, tally = seen(*lines)
    assert sum(map(visible, lines)) - tally.removed + tally.added == sum(visible(str(line)) for line in after)
    assert not any("\x1b" in str(line) or "\x00" in str(line) for line in after)
