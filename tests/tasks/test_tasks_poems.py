"""Verse by rule: forms, rhymes, acrostics, damage; and the real poems' own rates, which are the yardstick."""

import os
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.tasks.poems.rhyme import groups, rhymes
from modou.tasks.poems.verse import (
    FORMS,
    Order,
    Poem,
    form_of,
    judge,
    lines_of,
    order_of,
    orders,
    question,
    read_poems,
    reward_of,
    with_other_heads,
)

# Invented lines: 东 and 中 rhyme, 山 and 天 do too.
LINES = ("阿豆过桥东", "渡船在水中", "老猫看白日", "无事卧秋风")
POEM = Poem("渡口", "无名", "五绝", LINES)
with_data = pytest.mark.skipif("MODOU_DATA" not in os.environ, reason="MODOU_DATA names no folder with the Tang poems")


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        ("东中", True),
        ("东风", False),  # ong and eng are apart
        ("山天", True),
        ("光霜乡", True),
        ("思时", True),
        ("思衣", False),  # the vowel after s and sh is not that of yi
        ("月绝", True),
        ("鱼衣", True),
        ("中中", False),  # the same character does not count
        ("东", False),
        ("东A", False),
        ("行明", True),  # a reading of many is enough
        ("行长", True),
    ],
)
def test_rhymes(characters: str, expected: bool) -> None:
    assert rhymes(list(characters)) is expected


def test_every_reading_counts() -> None:
    assert len(groups("行")) > 1 and not groups("A")


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str) -> None:
    count, length = FORMS[form]
    assert form_of(["豆" * length] * count) == form
    assert form_of(["豆" * length] * (count - 1)) is None
    assert form_of(["豆" * length] * (count - 1) + ["豆" * (length - 1)]) is None
    assert form_of(["豆" * length] * (count - 1) + ["豆" * (length - 1) + "a"]) is None


@given(st.lists(st.sampled_from(list("豆船猫桥水")), min_size=20, max_size=20), st.sampled_from("，。！？；、\n"))
def test_lines_are_found_however_they_are_punctuated(characters: list[str], mark: str) -> None:
    lines = ["".join(characters[n : n + 5]) for n in range(0, 20, 5)]
    assert lines_of(mark.join(lines) + "。") == lines


def test_a_poem_keeps_all_rules_and_each_rule_can_be_broken() -> None:
    order = Order("五绝", head=POEM.head)
    good = ("阿豆过桥东", "渡船在水中", "老猫看白日", "无事睡梁同")
    text = "，".join(good)
    assert reward_of(text, Order("五绝", head="阿渡老无")) == 1
    assert judge(text, order).form and judge(text, order).rhymed and judge(text, order).head
    assert not judge(POEM.text, order).rhymed and reward_of(POEM.text, order) == pytest.approx(3 / 4)
    assert not judge(text, Order("五绝", head="一二三四")).head
    assert judge(text.replace("老猫看白日", "阿豆过桥东"), order).repeated
    assert reward_of(text, Order("七绝")) == 0 and reward_of("", order) == 0
    assert judge(text, Order("五绝")).head is None


@pytest.mark.parametrize("order", [Order("七绝"), Order("五律", title="渡口"), Order("五绝", head="阿渡老无")])
def test_a_question_says_the_order_and_an_order_survives_its_row(order: Order) -> None:
    dice = random.Random(0)
    asked = {question(order, dice) for _ in range(200)}
    assert len(asked) >= 4
    for text in asked:
        assert order.form in text and (order.title or "") in text
        assert order.head is None or order.head in text.replace("、", "")
    assert order_of(order.facts()) == order


def test_orders_are_of_all_three_kinds() -> None:
    found = [order for _, order in orders([POEM] * 300, random.Random(1))]
    assert 120 < sum(order.title is not None for order in found) < 180
    assert 80 < sum(order.head is not None for order in found) < 160


def test_most_acrostics_get_other_heads_and_nothing_else_changes() -> None:
    before = list(orders([POEM] * 400, random.Random(1)))
    rare = replace(POEM, lines=("罕字不可求", *POEM.lines[1:]))
    after = list(with_other_heads(before, [POEM, POEM, rare], random.Random(2)))
    changed = 0
    for (_, old), (poem, order) in zip(before, after, strict=True):
        assert [line[1:] for line in poem.lines] == [line[1:] for line in POEM.lines]
        assert (order.title, order.form, order.head is None) == (old.title, old.form, old.head is None)
        assert order.head in (None, poem.head)
        assert set(poem.head) <= set("".join(POEM.lines))
        changed += poem != POEM
    acrostics = sum(order.head is not None for _, order in before)
    assert 0.6 < changed / acrostics < 0.9


@pytest.mark.slow
@with_data
def test_the_real_poems_and_their_own_rates() -> None:
    poems = read_poems()
    assert len(poems) == 36_413  # 37,172 of that shape, less repetitions and those with lost characters
    some = random.Random(0).sample(poems, 3000)
    rhymed = sum(judge(poem.text, Order(poem.form)).rhymed for poem in some) / len(some)
    assert 0.68 < rhymed < 0.82
    assert all(judge(poem.text, Order(poem.form)).form for poem in some)
