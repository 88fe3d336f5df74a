"""Conversations as people have them: their order, their marks, what is not to be learned, and what is damaged."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from talk_helpers import bot, said, talk, user, write

from modou.data.conversation import Message
from modou.data.formats.example import BadExample
from modou.data.formats.formats import read
from modou.data.formats.reading import read_examples
from modou.data.formats.turns import check, in_order

# -- turns in their real order --


@pytest.mark.parametrize(
    ("row", "expected", "notes"),
    [
        (
            talk(("user", "Is the kiln hot?"), ("user", "Tell me!"), ("assistant", "It is.")),
            [user("Is the kiln hot?\nTell me!"), bot("It is.")],
            ["joined"],
        ),
        (
            talk(("user", "Who fires it?"), ("assistant", "Wren."), ("assistant", "And"), ("assistant", "her aunt.")),
            [user("Who fires it?"), bot("Wren.\nAnd\nher aunt.")],
            ["joined", "joined"],
        ),
        (
            talk(("assistant", "The shop is open."), ("user", "A jug, please."), ("assistant", "Three pence.")),
            [bot("The shop is open.", False), user("A jug, please."), bot("Three pence.")],
            ["opening"],
        ),
        (
            talk(
                ("system", "Be kind."),
                ("assistant", "Hm?"),
                ("assistant", "Yes?"),
                ("user", "A cup."),
                ("gpt", "Here."),
            ),
            [("system", "Be kind.", False), bot("Hm?\nYes?", False), user("A cup."), bot("Here.")],
            ["joined", "opening"],
        ),
        (
            talk(
                ("user", "Hello."),
                ("assistant", "Hello."),
                ("system", "Speak low."),
                ("user", "Why?"),
                ("bot", "Owls."),
            ),
            [user("Hello."), bot("Hello."), user("Speak low.\nWhy?"), bot("Owls.")],
            ["system", "joined"],
        ),
        (
            talk(("system", "One."), ("developer", "Two."), ("user", "Three?"), ("assistant", "Three.")),
            [("system", "One.\nTwo.", False), user("Three?"), bot("Three.")],
            ["joined"],
        ),
        (
            talk(("user", "Clay?"), ("assistant", ""), ("assistant", "In the shed.")),
            [user("Clay?"), bot("In the shed.")],
            [],
        ),
    ],
)
def test_turns_of_one_side_are_one_and_an_opening_is_context(
    row: dict[str, Any], expected: list[tuple[str, str, bool]], notes: list[str]
) -> None:
    (example,) = read(row)
    assert example.kind == "conversation" and said(example) == expected
    assert list(example.notes) == [f"examples.note_{name}" for name in notes]


def test_an_opening_before_a_question_is_part_of_the_prompt() -> None:
    (example,) = read(talk(("assistant", "Welcome."), ("user", "Where is the kiln?")))
    assert example.kind == "prompt" and said(example) == [bot("Welcome.", False), user("Where is the kiln?")]


@given(
    st.lists(
        st.builds(
            Message, st.sampled_from(["system", "user", "assistant"]), st.text("ab\n ", max_size=3), st.booleans()
        ),
        max_size=12,
    )
)
def test_whatever_the_order_no_side_speaks_twice_and_nothing_is_lost(messages: list[Message]) -> None:
    found, _ = in_order(messages)
    assert all(one.role != after.role for one, after in pairwise(found))
    assert all(message.role != "system" for message in found[1:])
    kept = "".join(message.content for message in messages if message.content.strip())
    assert "".join("".join(one.content for one in found).split()) == "".join(kept.split())
    assert in_order(found)[0] == found


def test_fifty_thousand_turns_are_read() -> None:
    turns = [{"from": side, "value": str(n)} for n in range(25_000) for side in ("human", "gpt")]
    (example,) = read({"conversations": turns})
    assert len(example.messages) == 50_000 and not example.notes
    (joined,) = read({"conversations": [{"from": "human", "value": "a"}] * 50_000 + [{"from": "gpt", "value": "b"}]})
    assert len(joined.messages) == 2 and len(joined.notes) == 49_999


# -- turns that are not to be learned --


@pytest.mark.parametrize(
    "mark",
    [
        {"weight": 0},
        {"weight": 0.0},
        {"train": False},
        {"loss": False},
        {"trainable": False},
        {"training": "false"},
        {"mask": True},
        {"masked": 1},
    ],
    ids=str,
)
def test_a_turn_with_a_mark_is_not_learned(mark: dict[str, Any]) -> None:
    turns = [
        {"from": "human", "value": "How deep is the well?"},
        {"from": "gpt", "value": "No idea.", **mark},
        {"from": "human", "value": "Think."},
        {"from": "gpt", "value": "Nine ells."},
    ]
    (example,) = read({"conversations": turns})
    assert said(example)[1::2] == [bot("No idea.", False), bot("Nine ells.")]
    assert list(example.notes) == ["examples.note_unlearned"]


@pytest.mark.parametrize("mark", [{"weight": 1}, {"train": True}, {"loss": None}, {"mask": False}, {}], ids=str)
def test_a_turn_with_another_mark_is_learned(mark: dict[str, Any]) -> None:
    row = {"conversation": [{"human": "How deep?", "assistant": "Nine ells.", **mark}]}
    (example,) = read(row)
    assert said(example)[-1] == bot("Nine ells.") and not example.notes


def test_a_conversation_without_anything_to_learn_is_told() -> None:
    turns = [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": "Snow.", "weight": 0}]
    with pytest.raises(BadExample) as caught:
        read({"messages": turns})
    assert caught.value.key == "examples.nothing_learned"


def test_keys_of_turns_that_are_not_read_are_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    row = talk(("user", "Tea?"), ("assistant", "Gladly."))
    for turn in row["messages"]:
        turn |= {"mood": "calm", "refusal": None, "weight": 0.5}
    found = read_examples(write(tmp_path / "moods.jsonl", talk(("user", "a"), ("assistant", "b")), row, row))
    assert found.notes == [
        "“mood” in the turns is not read: 2 rows have it (first: moods.jsonl:2)",
        "“weight 0.5” in the turns is not read: 2 rows have it (first: moods.jsonl:2)",
    ]


# -- tools --

CALL = {"name": "depth", "arguments": '{"of": "well"}'}
TOOLS: dict[str, list[dict[str, Any]]] = {
    "function_call": [
        {"role": "assistant", "content": None, "function_call": CALL},
        {"role": "function", "name": "depth", "content": "9"},
    ],
    "tool_calls": [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": CALL}]},
        {"role": "tool", "tool_call_id": "1", "content": "9"},
    ],
    "parts": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "depth", "input": {"of": "well"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "9"}]},
    ],
    "turns": [{"from": "function_call", "value": json.dumps(CALL)}, {"from": "observation", "value": "9"}],
}


@pytest.mark.parametrize("name", ["tools", "functions"])
def test_the_tools_of_a_row_are_in_its_system_message(name: str) -> None:
    (example,) = read({**talk(("user", "How deep?"), ("assistant", "Nine ells.")), name: [{"name": "depth"}]})
    assert said(example)[0] == ("system", '[{"name": "depth"}]', False)


@pytest.mark.parametrize("form", TOOLS)
def test_a_call_is_learned_and_its_result_is_not(form: str) -> None:
    turns = [{"role": "user", "content": "How deep?"}, *TOOLS[form], {"role": "assistant", "content": "Nine ells."}]
    (example,) = read({"messages": turns})
    asked, call, result, answer = said(example)
    assert (asked, result, answer) == (user("How deep?"), user("9"), bot("Nine ells."))
    assert call[0] == "assistant" and call[2] and '"depth"' in call[1] and "well" in call[1] and not example.notes


# -- no answer --


def test_nan_is_no_answer_and_infinity_no_text(tmp_path: Path) -> None:
    rows = [
        '{"question": "Which jug?", "answer": NaN}',
        '{"question": "Which cup?", "context": NaN, "answer": "The blue one."}',
        '{"prompt": "How many?", "response": -Infinity}',
        '{"prompt": "How many?", "response": 3, "history": NaN, "system": NaN}',
        '{"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": NaN}]}',
        '{"prompt": "Jug?", "chosen": "Blue.", "rejected": NaN}',
        '{"instruction": "Which plate?", "output": null}',
    ]
    path = tmp_path / "frame.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    found = read_examples(path)
    assert [one.place[-1] for one in found.placed] == ["2", "4", "5"]
    assert [one.example.messages[0].content for one in found.placed] == ["Which cup?", "How many?", "Why?"]
    assert [one.example.kind for one in found.placed] == ["conversation", "conversation", "prompt"]
    assert len(found.complaints) == 4 and "nan" not in repr([one.example for one in found.placed]).lower()


@pytest.mark.parametrize("answer", ["无", "None", "nan", "空", 0, 42])
def test_an_answer_that_sounds_like_none_is_an_answer(answer: object) -> None:
    for row in (
        {"messages": [{"role": "user", "content": "几盏灯？"}, {"role": "assistant", "content": answer}]},
        {"instruction": "几盏灯？", "output": answer},
        {"conversations": [{"from": "human", "value": "几盏灯？"}, {"from": "gpt", "value": answer}]},
    ):
        (example,) = read(row)
        assert example.kind == "conversation" and said(example)[-1] == bot(str(answer))


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"instruction": "Jug?", "output": "Blue.", "chosen": None, "rejected": None}, "conversation"),
        ({"question": "Jug?", "answer": "Blue.", "gt": None, "messages": None}, "conversation"),
        ({**talk(("user", "Jug?"), ("assistant", "Blue.")), "label": None, "prompt": None}, "conversation"),
        ({"prompt": "Jug?", "chosen": "Blue.", "rejected": "Red.", "messages": None, "kto_tag": None}, "preference"),
        ({"text": "A jug.", "messages": None}, "text"),
        ({"prompt": "Jug?", "gt": None, "system": None}, "prompt"),
    ],
)
def test_null_in_a_column_is_a_column_that_the_row_lacks(row: dict[str, Any], kind: str) -> None:
    for missing in (None, float("nan")):
        (example,) = read({name: missing if value is None else value for name, value in row.items()})
        assert example.kind == kind


# -- worked answers --


@pytest.mark.parametrize(
    "row",
    [
        {"question": "7 jugs less 3?", "answer": "Take 3 from 7.\n#### 4"},
        {"instruction": "7 jugs less 3?", "output": "Take 3 from 7.\n#### 4"},
        talk(("user", "7 jugs less 3?"), ("assistant", "Take 3 from 7.\n#### 4")),
        {"text": "### Human: 7 jugs less 3?### Assistant: Take 3 from 7.\n#### 4"},
    ],
)
def test_a_worked_answer_is_learned_and_states_its_result(row: dict[str, Any]) -> None:
    (example,) = read(row)
    assert example.kind == "conversation" and example.answer == "4"
    assert said(example) == [user("7 jugs less 3?"), bot("Take 3 from 7.\n#### 4")]


@pytest.mark.parametrize("answer", ["#" * 30_000 + "\nx", "#### " * 30_000, "\n####" * 30_000, "# " * 30_000])
def test_many_marks_take_no_time(answer: str) -> None:
    (example,) = read({"question": "q", "answer": answer})
    assert example.kind == "conversation" and example.answer is None


def test_a_conversation_is_checked_in_order() -> None:
    messages, _ = in_order([Message("user", "a"), Message("assistant", " ")])
    with pytest.raises(BadExample):
        check(messages, "assistant")
