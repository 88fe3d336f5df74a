"""Conversations as people have them: their order, their marks, what is not to be learned, and what is damaged."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.data.conversation import Message
from modou.data.formats.example import BadExample, Example
from modou.data.formats.formats import read
from modou.data.formats.reading import read_examples
from modou.data.formats.turns import check, in_order


def said(example: Example) -> list[tuple[str, str, bool]]:
    """Role, content, and whether it is learned, of each turn."""
    return [(m.role, m.content, m.role == "assistant" and m.trained) for m in example.messages]


def talk(*turns: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def user(content: str) -> tuple[str, str, bool]:
    return ("user", content, False)


def bot(content: str, learned: bool = True) -> tuple[str, str, bool]:
    return ("assistant", content, learned)


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


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


@pytest.mark.parametrize("form", TOOLS)
def test_a_call_is_learned_and_its_result_is_not(form: str) -> None:
    turns = [{"role": "user", "content": "How deep?"}, *TOOLS[form], {"role": "assistant", "content": "Nine ells."}]
    (example,) = read({"messages": turns})
    asked, call, result, answer = said(example)
    assert (asked, result, answer) == (user("How deep?"), user("9"), bot("Nine ells."))
    assert call[0] == "assistant" and call[2] and '"depth"' in call[1] and "well" in call[1] and not example.notes


# -- ranked answers --


def pairs(row: dict[str, Any]) -> list[tuple[str, str]]:
    examples = read(row)
    assert all(one.kind == "preference" and one.messages == (Message("user", "Bread?"),) for one in examples)
    return [(one.chosen, one.rejected) for one in examples]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "Bread?", "output": ["Rye.", "Oats.", "None."]}, [("Rye.", "Oats."), ("Rye.", "None.")]),
        (
            {"prompt": "Bread?", "chosen": "Rye.", "rejected": ["Oats.", "Rye.", "None."]},
            [("Rye.", "Oats."), ("Rye.", "None.")],
        ),
        (
            {"prompt": "Bread?", "chosen": ["Rye.", "Barley."], "rejected": ["None."]},
            [("Rye.", "None."), ("Barley.", "None.")],
        ),
        (
            {
                "prompt": "Bread?",
                "chosen": [{"role": "assistant", "content": "Rye."}],
                "rejected": [{"role": "assistant", "content": "Oats."}, {"role": "assistant", "content": "None."}],
            },
            [("Rye.", "Oats."), ("Rye.", "None.")],
        ),
        (
            {"prompt": "Bread?", "responses": ["None.", "Rye.", "Oats."], "scores": [1, 9.5, 4]},
            [("Rye.", "None."), ("Rye.", "Oats.")],
        ),
        ({"prompt": "Bread?", "responses": ["None.", "Rye.", "Bun."], "rankings": [2, 1, 1]}, [("Rye.", "None.")]),
        (
            {"prompt": "Bread?", "answers": [{"answer": "Oats.", "rank": 2}, {"answer": "Rye.", "rank": 1}]},
            [("Rye.", "Oats.")],
        ),
        (
            {
                "instruction": "Bread?",
                "completions": [{"response": "Oats.", "overall_score": 2}, {"response": "Rye.", "overall_score": 5}],
            },
            [("Rye.", "Oats.")],
        ),
    ],
)
def test_ranked_answers_are_pairs_of_the_best_with_each_other(
    row: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert pairs(row) == expected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "Bread?", "responses": ["Rye.", "Oats."], "scores": [1]}, "bad_scores"),
        ({"prompt": "Bread?", "responses": ["Rye.", "Oats."], "scores": [1, None]}, "bad_scores"),
        ({"prompt": "Bread?", "responses": ["Rye.", "Oats."], "scores": [2, 2]}, "equal_scores"),
        ({"prompt": "Bread?", "chosen": "Rye.", "rejected": ["Rye."]}, "equal_answers"),
        ({"prompt": "Bread?", "chosen": "Rye.", "rejected": [""]}, "empty_answer"),
    ],
)
def test_ranks_that_say_nothing_are_told(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadExample) as caught:
        read(row)
    assert caught.value.key == f"examples.{reason}"


def test_several_pairs_of_a_row_count_as_one_row(tmp_path: Path) -> None:
    row = {"prompt": "Bread?", "chosen": "Rye.", "rejected": ["Oats.", "", "None."]}
    found = read_examples(write(tmp_path / "ranked.jsonl", row, {"prompt": "Tea?"}, 7))
    assert (found.rows, found.counts, len(found.complaints)) == (3, {"preference": 2, "prompt": 1}, 1)
    assert found.noted == {"examples.note_no_pair": (1, "ranked.jsonl:1")}


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


# -- conversations laid out as text --

SYSTEM = ("system", "Be brief.", False)
FIRST, SECOND = [user("Which jug?"), bot("The blue one.")], [user("And\nthe cup?"), bot("The red one.")]
LAID_OUT: dict[str, tuple[str, list[tuple[str, str, bool]]]] = {
    "ChatML": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhich jug?<|im_end|>\n<|im_start|>assistant\n"
        "The blue one.<|im_end|>\n<|im_start|>user\nAnd\nthe cup?<|im_end|>\n<|im_start|>assistant\nThe red one."
        "<|im_end|>\n<|endoftext|>",
        [SYSTEM, *FIRST, *SECOND],
    ),
    "Llama 3": (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user"
        "<|end_header_id|>\n\nWhich jug?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nThe blue one."
        "<|eot_id|>",
        [SYSTEM, *FIRST],
    ),
    "Gemma": (
        "<bos><start_of_turn>user\nWhich jug?<end_of_turn>\n<start_of_turn>model\nThe blue one.<end_of_turn>\n",
        FIRST,
    ),
    "[INST]": (
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhich jug? [/INST] The blue one. </s><s>[INST] And\nthe cup? [/INST]"
        " The red one. </s>",
        [SYSTEM, *FIRST, *SECOND],
    ),
    "[SYSTEM_PROMPT]": (
        "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Which jug?[/INST]The blue one.</s>",
        [SYSTEM, *FIRST],
    ),
    "<|user|>": (
        "<|system|>\nBe brief.</s>\n<|user|>\nWhich jug?</s>\n<|assistant|>\nThe blue one.</s>",
        [SYSTEM, *FIRST],
    ),
    "<|user|> with <|end|>": ("<|user|>\nWhich jug?<|end|>\n<|assistant|>\nThe blue one.<|end|>", FIRST),
    "<｜User｜>": (
        "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Which jug?<｜Assistant｜>The blue one.<｜end▁of▁sentence｜>",
        [SYSTEM, *FIRST],
    ),
    "### Human": (
        "### Human: Which jug?### Assistant: The blue one.### Human: And\nthe cup?### Assistant: The red one.",
        [*FIRST, *SECOND],
    ),
    "### User": (
        "### System:\nBe brief.\n\n### User:\nWhich jug?\n\n### Assistant:\nThe blue one.\n",
        [SYSTEM, *FIRST],
    ),
    "### Instruction": ("### Instruction:\nWhich jug?\n\n### Response:\nThe blue one.", FIRST),
    "### Input": (
        "Be brief.\n\n### Instruction:\nAnd\n\n### Input:\nthe cup?\n\n### Response:\nThe red one.",
        [SYSTEM, *SECOND],
    ),
    "Human:": (
        "\n\nHuman: Which jug?\n\nAssistant: The blue one.\n\nHuman: And\nthe cup?\n\nAssistant: The red one.",
        [*FIRST, *SECOND],
    ),
    "User:": ("User: Which jug?\nAssistant: The blue one.", FIRST),
    "USER:": (
        "Be brief. USER: Which jug? ASSISTANT: The blue one.</s>USER: And\nthe cup? ASSISTANT: The red one.</s>",
        [SYSTEM, *FIRST, *SECOND],
    ),
    "问：": ("问：Which jug?\n答：The blue one.", FIRST),
}


@pytest.mark.parametrize("style", LAID_OUT)
def test_a_conversation_laid_out_as_text_is_split_into_turns(style: str) -> None:
    laid_out, expected = LAID_OUT[style]
    for row in ({"text": laid_out}, laid_out, {"content": laid_out}):
        (example,) = read(row)
        assert example.kind == "conversation" and said(example) == expected
        assert [note.partition(":")[0] for note in example.notes] == ["marked"]


@pytest.mark.parametrize(
    "plain",
    [
        "Human: a word that stands at the beginning of this line, and nobody answers.",
        "The mark [INSTALL] is none, nor is ### Notes.",
        "### Instruction manual\nTurn the key.\n### Index",
        "Wren said: the kiln is hot. USER: is a word.",
        "一句话。问：没有回答。",
    ],
)
def test_a_text_in_which_one_side_speaks_stays_a_text(plain: str) -> None:
    assert read({"text": plain}) == (Example("text", text=plain),)


@pytest.mark.parametrize(
    ("laid_out", "key"),
    [
        ("<|im_start|>ferryman\nAll aboard!<|im_end|>", "marked_role"),
        ("<|im_start|>assistant\nAll aboard!<|im_end|>", "no_question"),
        ("<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\nWhat?<|im_end|>", "empty_turn"),
    ],
)
def test_marks_that_make_no_conversation_are_told(laid_out: str, key: str) -> None:
    with pytest.raises(BadExample) as caught:
        read({"text": laid_out})
    assert caught.value.key == f"examples.{key}"


@pytest.mark.parametrize(
    "asked",
    [
        "<|im_start|>user\nWhich jug?<|im_end|>\n<|im_start|>assistant\n",
        "<s>[INST] Which jug? [/INST]",
        "Human: Which jug?\n\nAssistant:",
        "### Instruction:\nWhich jug?\n\n### Response:\n",
    ],
)
def test_a_prompt_laid_out_as_text_becomes_turns(asked: str) -> None:
    (prompt,) = read({"prompt": asked})
    assert prompt.kind == "prompt" and said(prompt) == [user("Which jug?")]
    (answered,) = read({"prompt": asked, "completion": "The blue one."})
    assert said(answered) == FIRST
    (pair,) = read({"prompt": asked, "chosen": "The blue one.", "rejected": "None."})
    assert said(pair) == [user("Which jug?")]


def test_a_question_about_a_dialogue_stays_one_question() -> None:
    asked = "What is the tone of this?\nHuman: Which jug?\nAssistant: The blue one.\nHuman: Thanks."
    (example,) = read({"instruction": asked, "output": "Polite."})
    assert said(example) == [user(asked), bot("Polite.")]


@pytest.mark.parametrize("style", LAID_OUT)
def test_marks_repeated_without_end_are_read(style: str) -> None:
    laid_out = LAID_OUT[style][0]
    for text in (laid_out * 2_000, laid_out[:12] * 20_000, "</s>" * 50_000 + laid_out, laid_out + " \n" * 50_000):
        try:
            assert read({"text": text})
        except BadExample as bad:
            assert bad.key.startswith("examples.")


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


# -- damaged characters --


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Who \ud83d?", "answer": "Hob."},
        {"messages": [{"role": "user", "content": "\udc00"}, {"role": "assistant", "content": "Hob."}]},
        {"prompt": "Who \udfff?", "chosen": "Hob.", "rejected": "Wren."},
        {"prompt": "\ud83d"},
    ],
)
@pytest.mark.parametrize("array", [False, True], ids=["lines", "array"])
def test_half_a_character_in_a_question_is_read_and_told(tmp_path: Path, row: object, array: bool) -> None:
    path = tmp_path / ("rows.json" if array else "rows.jsonl")
    path.write_text(json.dumps([row, row] if array else row), encoding="utf-8")
    found = read_examples(path)
    assert len(found.placed) == 1 + array and not found.complaints
    assert "\ufffd" in found.placed[0].example.messages[0].content
    assert found.noted == {"examples.note_undecodable": (1 + array, f"{path.name}:1")} and len(found.notes) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Who?", "answer": "Hob \ud83d."},
        {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "\ud800"}]},
        {"prompt": "Who?", "chosen": "Hob.", "rejected": "\udfff"},
        {"prompt": "Who?", "completion": "\ud83d", "label": True},
        {"prompt": "Who?", "completions": ["\ud83d"], "labels": [True]},
        {"chat": {"turn_1": {"Human": "Who?", "MOSS": "\ud83d"}}},
        {"text": "\ud83d"},
    ],
)
def test_half_a_character_in_what_would_be_learned_is_a_complaint(
    tmp_path: Path, row: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    found = read_examples(write(tmp_path / "rows.jsonl", {"question": "Who is there?", "answer": "Hob."}, row))
    assert len(found.placed) == 1 and not found.notes
    (complaint,) = found.complaints
    assert complaint.startswith("rows.jsonl:2: ") and "cannot be decoded" in complaint


def test_an_unlearned_answer_may_be_damaged() -> None:
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "\ufffd", "weight": 0}]
    more = [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": "Hob."}]
    (example,) = read({"messages": [*turns, *more]})
    assert "examples.note_undecodable" in example.notes


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": "Which\0 jug?", "output": "The\0 blue one."},
        talk(("user", "Which jug?\0"), ("assistant", "\0The blue one.")),
        {"text": "### Human: Which\0 jug?\0### Assistant: The blue one."},
    ],
)
def test_nul_is_taken_out_and_told(row: dict[str, Any]) -> None:
    (example,) = read(row)
    assert said(example) == FIRST and "examples.note_nul" in example.notes


def test_a_conversation_is_checked_in_order() -> None:
    messages, _ = in_order([Message("user", "a"), Message("assistant", " ")])
    with pytest.raises(BadExample):
        check(messages, "assistant")
