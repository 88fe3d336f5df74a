"""Credit: every rule of verse points at the place where it was decided, and agrees with the judge of whole poems."""

import random

from hypothesis import given
from hypothesis import strategies as st

from modou.tasks.poems.credit import verse_credits
from modou.tasks.poems.verse import FORMS, Order, judge, verse
from modou.train.rollouts import Credit

# Invented lines: 东, 中 and 同 rhyme.
LINES = ("阿豆过桥东", "渡船在水中", "老猫看白日", "无事睡梁同")
TEXT = verse(LINES)
ORDER = Order("五绝", head="阿渡老无")


def points(text: str, order: Order = ORDER) -> dict[str, Credit]:
    return {credit.name: credit for credit in verse_credits(text, order)}


def lost(text: str, order: Order = ORDER) -> dict[str, str]:
    """What lost points, and the characters it points at (the end mark: nothing)."""
    return {name: text[c.start : c.end] for name, c in points(text, order).items() if c.points < 1}


def test_a_good_poem_earns_everything() -> None:
    assert not lost(TEXT)
    assert {name.split()[0] for name in points(TEXT)} == {"length", "new", "head", "rhyme", "end"}
    assert points(TEXT)["end"][2:] == (len(TEXT), len(TEXT) + 1), "the end mark"
    assert "head 0" not in points(TEXT, Order("五绝"))
    assert "rhyme 0" not in points(TEXT), "the first even line has nothing to rhyme with"


def test_each_fault_is_found_where_it_was_made() -> None:
    assert lost(TEXT.replace("同", "天")) == {"rhyme 1": "天"}
    assert lost(TEXT.replace("同", "中")) == {"rhyme 1": "中"}, "the same character is no rhyme"
    assert lost(TEXT.replace("老猫", "灰猫")) == {"head 2": "灰"}
    assert lost(TEXT.replace("看白日", "看日")) == {"length 2": "，"}, "it ended too early"
    assert lost(TEXT.replace("看白日", "看白日月")) == {"length 2": "月"}, "it should have ended here"
    assert lost(TEXT.replace("看白日", "《白日")) == {"length 2": "《"}, "no character, though the count is right"
    assert lost(TEXT.replace("看白日", "看\ufffd白日")) == {"length 2": "\ufffd"}, "the first fault, not the second"
    assert lost(TEXT.replace("看白日", "看白日》")) == {"length 2": "》"}
    assert lost(TEXT.replace("老猫看白日", "阿豆过桥东")) == {"new 2": "阿豆过桥东", "head 2": "阿"}
    assert lost(TEXT + "\n多了一行诗。") == {"end": "多"}
    assert lost("阿豆过桥东，渡船在水中。") == {"end": ""}, "the end mark came too early"
    assert lost("") == {"end": ""}


def test_of_three_rhymes_one_may_be_missed() -> None:
    lines = ("豆" * 5, "船船船船东", "猫" * 5, "桥桥桥桥天", "水" * 5, "风风风风中", "山" * 5, "月月月月同")
    found = points(verse(lines), Order("五律"))
    assert [found[f"rhyme {n}"].points for n in range(1, 4)] == [0, 1, 1]


@given(st.sampled_from(sorted(FORMS)), st.integers(0, 10_000), st.booleans())
def test_it_agrees_with_the_judge_of_whole_poems(form: str, seed: int, acrostic: bool) -> None:
    dice = random.Random(seed)
    count, length = FORMS[form]
    lines = [
        "".join(dice.choices("东中同风天山《", [9, 9, 9, 9, 9, 9, 0.2], k=length + (dice.random() < 0.05)))
        for _ in range(count)
    ]
    head = "".join(line[0] if dice.random() < 0.9 else "豆" for line in lines) if acrostic else None
    order, text = Order(form, head=head), verse(lines)
    judged, found = judge(text, order), points(text, order)
    kept = {
        rule: all(credit.points == 1 for name, credit in found.items() if name.split()[0] == rule)
        for rule in ("length", "new", "head", "rhyme", "end")
    }
    assert judged.form == (kept["length"] and kept["end"])
    assert judged.rhymed == kept["rhyme"] and judged.repeated != kept["new"]
    assert judged.head is None or judged.head == kept["head"]
    assert all(0 <= credit.start < credit.end <= len(text) + 1 for credit in found.values())
