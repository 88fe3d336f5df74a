"""Damage: each way spoils what it says and nothing else, deterministically."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.tasks.poems.damage import DAMAGES, ONLY_HEADS, damages
from modou.tasks.poems.verse import FORMS, form_of, lines_of, verse

seeds = st.integers(0, 10_000)
CHARACTERS = "豆船猫桥水风山月云鸟花酒东中天年人家江海春秋"


def poem(form: str, seed: int) -> tuple[str, ...]:
    count, length = FORMS[form]
    dice = random.Random(seed)
    return tuple("".join(dice.choices(CHARACTERS, k=length)) for _ in range(count))


def changed(before: tuple[str, ...], after: tuple[str, ...]) -> list[int]:
    return [place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b]


@given(st.sampled_from(sorted(FORMS)), seeds, seeds, st.booleans())
def test_one_line_is_spoiled_the_others_stay(form: str, seed: int, other: int, acrostic: bool) -> None:
    lines = poem(form, seed)
    found = damages(lines, poem(form, other), 3, acrostic, random.Random(seed))
    assert found == damages(lines, poem(form, other), 3, acrostic, random.Random(seed))
    assert len(found) <= 3 and (acrostic or ONLY_HEADS not in found)
    for name, spoiled in found.items():
        assert len(changed(lines, spoiled)) == (name not in ("unfinished", "overlong")), name
        assert (form_of(spoiled) == form) == (name not in ("misshapen", "unfinished", "overlong")), name
        assert lines_of(verse(spoiled)) == [line for line in spoiled if line]


@given(seeds)
def test_each_way_does_what_it_is_named_for(seed: int) -> None:
    lines, other = poem("七律", seed), poem("七律", seed + 1)
    made = {name: damage(lines, other, random.Random(seed)) for name, damage in DAMAGES.items()}
    for name, spoiled in made.items():
        assert (len(spoiled) < len(lines)) == (name == "unfinished") and len(spoiled) % 2 == 0
        assert (len(spoiled) > len(lines)) == (name == "overlong")
        for place in changed(lines, spoiled):
            before, after = lines[place], spoiled[place]
            match name:
                case "shuffled":
                    assert sorted(before) == sorted(after)
                case "unrhymed":
                    assert before[:-1] == after[:-1] and place % 2 == 1
                case "echoed":
                    assert before[:-1] == after[:-1] and after[-1] in {line[-1] for line in lines[1::2]}
                case "mixed":
                    assert after in other
                case "repeated":
                    assert after in lines
                case "misshapen":
                    assert abs(len(before) - len(after)) == 1
                case _:
                    assert before[1:] == after[1:]


@pytest.mark.parametrize("name", DAMAGES)
def test_each_way_changes_something(name: str) -> None:
    lines, other = poem("五律", 3), poem("五律", 4)
    assert any(DAMAGES[name](lines, other, random.Random(seed)) != lines for seed in range(20))
