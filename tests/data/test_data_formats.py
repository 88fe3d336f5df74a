"""Files of examples: every published shape becomes the same few kinds, and no bad row passes or stops the reading."""

import csv
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from modou.data.conversation import Message
from modou.data.formats import formats
from modou.data.formats.columns import Columns
from modou.data.formats.example import BadExample, Example
from modou.data.formats.formats import read
from modou.data.formats.reading import read_examples
from modou.messages import UserError
from modou.text.readers import json_values as rows


def user(content: str) -> Message:
    return Message("user", content)


def bot(content: str) -> Message:
    return Message("assistant", content)


ASKED, REPLIED = "渡口在哪里？", "在柳树旁边。"
TALK = (user(ASKED), bot(REPLIED))
TWO_TURNS = (user("甲"), bot("乙"), *TALK)
PAIR = Example("preference", (user(ASKED),), chosen=REPLIED, rejected="不知道")

SHAPES: dict[str, tuple[Any, Example]] = {
    "text": ({"text": "一句话。"}, Example("text", text="一句话。")),
    "content": ({"content": "一句话。"}, Example("text", text="一句话。")),
    "completion alone": ({"completion": "一句话。"}, Example("text", text="一句话。")),
    "bare string": ("一句话。", Example("text", text="一句话。")),
    "wiki": ({"id": "1", "url": "u", "title": "t", "text": "一句话。"}, Example("text", text="一句话。")),
    "alpaca": ({"instruction": ASKED, "input": "", "output": REPLIED}, Example("conversation", TALK)),
    "alpaca with input": (
        {"instruction": "回答", "input": ASKED, "output": REPLIED},
        Example("conversation", (user(f"回答\n{ASKED}"), bot(REPLIED))),
    ),
    "alpaca with history and system": (
        {"instruction": ASKED, "output": REPLIED, "system": "你是船工", "history": [["甲", "乙"]]},
        Example("conversation", (Message("system", "你是船工"), *TWO_TURNS)),
    ),
    "firefly": ({"kind": "QA", "input": ASKED, "target": REPLIED}, Example("conversation", TALK)),
    "chatglm": (
        {"prompt": ASKED, "response": REPLIED, "history": [["甲", "乙"]]},
        Example("conversation", TWO_TURNS),
    ),
    "chatglm advertising": ({"content": ASKED, "summary": REPLIED}, Example("conversation", TALK)),
    "question answer": ({"question": ASKED, "answer": REPLIED}, Example("conversation", TALK)),
    "query response": ({"query": ASKED, "response": REPLIED}, Example("conversation", TALK)),
    "prompt completion": ({"prompt": ASKED, "completion": REPLIED}, Example("conversation", TALK)),
    "conversational prompt completion": (
        {"prompt": [{"role": "user", "content": ASKED}], "completion": [{"role": "assistant", "content": REPLIED}]},
        Example("conversation", TALK),
    ),
    "sharegpt": (
        {
            "conversations": [
                {"from": "human", "value": "查水位"},
                {"from": "function_call", "value": '{"name": "level"}'},
                {"from": "observation", "value": "三尺"},
                {"from": "gpt", "value": REPLIED},
            ],
            "system": "你是船工",
            "tools": "[]",
        },
        Example(
            "conversation",
            (Message("system", "你是船工\n[]"), user("查水位"), bot('{"name": "level"}'), user("三尺"), bot(REPLIED)),
        ),
    ),
    "openai": (
        {
            "messages": [
                {"role": "system", "content": "短些"},
                {"role": "user", "content": [{"type": "text", "text": ASKED}]},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "{}"},
                {"role": "assistant", "content": REPLIED},
            ]
        },
        Example(
            "conversation",
            (
                Message("system", "短些"),
                user(ASKED),
                bot('[{"id": "c", "function": {"name": "f"}}]'),
                user("{}"),
                bot(REPLIED),
            ),
        ),
    ),
    "minimind with reasoning": (
        {
            "conversations": [
                {"role": "user", "content": ASKED},
                {"role": "assistant", "content": REPLIED, "reasoning_content": "想一想"},
            ]
        },
        Example("conversation", (user(ASKED), bot(f"<think>\n想一想\n</think>\n{REPLIED}"))),
    ),
    "firefly turns": (
        {"conversation": [{"human": "甲", "assistant": "乙"}, {"human": ASKED, "assistant": REPLIED}]},
        Example("conversation", TWO_TURNS),
    ),
    "moss": (
        {
            "chat": {
                "turn_2": {"Human": f"<|Human|>: {ASKED}<eoh>\n", "MOSS": f"<|MOSS|>: {REPLIED}<eom>\n"},
                "turn_1": {"Human": "<|Human|>: 甲<eoh>\n", "MOSS": "<|MOSS|>: 乙<eom>\n"},
            }
        },
        Example("conversation", TWO_TURNS),
    ),
    "preference": ({"prompt": ASKED, "chosen": REPLIED, "rejected": "不知道"}, PAIR),
    "conversational preference": (
        {
            "prompt": [{"role": "user", "content": ASKED}],
            "chosen": [{"role": "assistant", "content": REPLIED}],
            "rejected": [{"role": "assistant", "content": "不知道"}],
        },
        PAIR,
    ),
    "implicit prompt": (
        {
            "chosen": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": REPLIED}],
            "rejected": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": "不知道"}],
        },
        PAIR,
    ),
    "alpaca ranking": ({"instruction": ASKED, "input": "", "chosen": REPLIED, "rejected": "不知道"}, PAIR),
    "sharegpt ranking": (
        {
            "conversations": [{"from": "human", "value": ASKED}],
            "chosen": {"from": "gpt", "value": REPLIED},
            "rejected": {"from": "gpt", "value": "不知道"},
        },
        PAIR,
    ),
    "two outputs": ({"instruction": ASKED, "input": "", "output": [REPLIED, "不知道"]}, PAIR),
    "hh-rlhf": (
        {
            "chosen": f"\n\nHuman: {ASKED}\n\nAssistant: {REPLIED}",
            "rejected": f"\n\nHuman: {ASKED}\n\nAssistant: 不知道",
        },
        PAIR,
    ),
    "kto": ({"prompt": ASKED, "completion": REPLIED, "label": True}, Example("unpaired", TALK, label=True)),
    "kto tag": ({"instruction": ASKED, "output": REPLIED, "kto_tag": False}, Example("unpaired", TALK, label=False)),
    "stepwise": (
        {"prompt": ASKED, "completions": ["往东", "过桥"], "labels": [True, False]},
        Example("stepwise", (user(ASKED),), steps=(("往东", True), ("过桥", False))),
    ),
    "prompt": ({"prompt": ASKED}, Example("prompt", (user(ASKED),))),
    "minimind rlaif": (
        {"conversations": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": ""}]},
        Example("prompt", (user(ASKED),)),
    ),
    "minimind agent": (
        {
            "conversations": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": "?"}],
            "gt": ["9472"],
        },
        Example("prompt", (user(ASKED),), answer="9472"),
    ),
    "gsm8k": (
        {"question": ASKED, "answer": "6 × 7 #### 42"},
        Example("conversation", (user(ASKED), bot("6 × 7 #### 42")), answer="42"),
    ),
    "verl": (
        {
            "data_source": "d",
            "prompt": [{"role": "user", "content": ASKED}],
            "reward_model": {"style": "rule", "ground_truth": "42"},
        },
        Example("prompt", (user(ASKED),), answer="42"),
    ),
    "dolly": (
        {"instruction": "回答", "context": ASKED, "response": REPLIED, "category": "qa"},
        Example("conversation", (user(f"回答\n{ASKED}"), bot(REPLIED))),
    ),
    "openorca": (
        {"system_prompt": "短些", "question": ASKED, "response": REPLIED},
        Example("conversation", (Message("system", "短些"), *TALK)),
    ),
    "ultrafeedback": (
        {
            "prompt": ASKED,
            "messages": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": REPLIED}],
            "chosen": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": REPLIED}],
            "rejected": [{"role": "user", "content": ASKED}, {"role": "assistant", "content": "不知道"}],
        },
        PAIR,
    ),
    "an empty system message": (
        {"messages": [{"role": "system", "content": ""}, *[{"role": m.role, "content": m.content} for m in TALK]]},
        Example("conversation", TALK),
    ),
    "a heading is no worked answer": (
        {"question": ASKED, "answer": "#### 渡口\n在柳树旁边。"},
        Example("conversation", (user(ASKED), bot("#### 渡口\n在柳树旁边。"))),
    ),
    "a label of something else": (
        {"instruction": ASKED, "output": REPLIED, "label": "geography"},
        Example("conversation", TALK),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_recognised(name: str) -> None:
    row, expected = SHAPES[name]
    assert read(row) == (expected,)


BAD: dict[str, tuple[Any, str]] = {
    "a number": (3, "row_not_object"),
    "nothing": ({}, "empty_row"),
    "unknown keys": ({"frage": "?", "antwort": "!"}, "unknown_shape"),
    "blank text": ({"text": " "}, "empty_row"),
    "blank answer": ({"instruction": ASKED, "output": " "}, "empty_turn"),
    "the assistant alone": ({"messages": [{"role": "assistant", "content": "乙"}]}, "no_question"),
    "a system message at the end": (
        {"messages": [{"role": "user", "content": "甲"}, {"role": "system", "content": "乙"}]},
        "ends_with_question",
    ),
    "unknown role": ({"messages": [{"role": "ferryman", "content": "甲"}]}, "unknown_role"),
    "no list": ({"messages": "甲"}, "no_turns"),
    "turn no object": ({"messages": ["甲"]}, "turn_not_object"),
    "content no text": ({"messages": [{"role": "user", "content": {"a": 1}}]}, "not_text"),
    "turns without numbers": ({"chat": {"a": 1}}, "no_turns"),
    "a number as history": ({"instruction": ASKED, "output": REPLIED, "history": 1}, "history_not_pairs"),
    "broken history": ({"instruction": ASKED, "output": REPLIED, "history": [["甲"]]}, "history_not_pairs"),
    "equal answers": ({"prompt": ASKED, "chosen": "甲", "rejected": "甲"}, "equal_answers"),
    "no chosen": ({"prompt": ASKED, "chosen": "", "rejected": "甲"}, "empty_answer"),
    "other beginnings": (
        {"chosen": "\n\nHuman: 甲\n\nAssistant: 乙", "rejected": "\n\nHuman: 丙\n\nAssistant: 丁"},
        "no_prompt",
    ),
    "label as text": ({"prompt": ASKED, "completion": REPLIED, "label": "yes"}, "label_not_bool"),
    "steps without labels": ({"prompt": ASKED, "completions": ["甲"], "labels": []}, "steps_not_lists"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_says_why(name: str) -> None:
    row, reason = BAD[name]
    with pytest.raises(BadExample) as caught:
        read(row)
    assert caught.value.key == f"examples.{reason}"


KEYS = (
    *("messages", "role", "content", "from", "value", "prompt", "output", "chosen", "rejected", "chat", "history"),
    *("instruction", "label", "labels", "completions", "gt", "reward_model", "human", "tools"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_row_whatever_it_is_ends_the_reading(row: Any) -> None:
    try:
        examples = read(row)
    except BadExample:
        return
    assert examples and all(example.kind for example in examples)


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("array", [False, True])
def test_files_in_every_wrapping(tmp_path: Path, encoding: str, packed: bool, array: bool) -> None:
    rows = [{"instruction": f"{ASKED}{n}", "output": f"{REPLIED}渡口的人都这么说。"} for n in range(30)]
    written = json.dumps(rows, ensure_ascii=False, indent=1) if array else lines(*rows)
    path = tmp_path / ("data.json" if array else "data.jsonl")
    data = written.encode(encoding)
    if packed:
        path = path.with_name(f"{path.name}.gz")
        data = gzip.compress(data)
    path.write_bytes(data)
    found = read_examples(path)
    assert found.counts == {"conversation": 30} and not found.complaints
    assert found.placed[-1].example.messages[0].content == f"{ASKED}29"


def test_a_text_file_holds_a_question_a_line(tmp_path: Path) -> None:
    path = tmp_path / "questions.txt"
    path.write_text(f"{ASKED}\n\n第二问？\n", encoding="utf-8")
    found = read_examples(path)
    assert [(p.place, p.example.messages[0].content) for p in found.placed] == [
        ("questions.txt:1", ASKED),
        ("questions.txt:3", "第二问？"),
    ]


def test_complaints_name_file_line_and_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    path = tmp_path / "data.jsonl"
    path.write_text(lines({"instruction": ASKED, "output": REPLIED}) + "{broken\n" + lines({"a": 1}), encoding="utf-8")
    found = read_examples(path)
    assert len(found.placed) == 1
    assert found.complaints[0] == "data.jsonl:2: not valid JSON"
    assert found.complaints[1].startswith("data.jsonl:3: unknown format (fields: a)")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.docx").write_text("question,answer\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"table\.docx"):
        read_examples(tmp_path / "table.docx")


@pytest.mark.parametrize("form", ["csv", "tsv", "xlsx", "parquet", "jsonl.zst", "jsonl.xz", "json"])
def test_examples_stand_in_tables_and_packed_files_too(tmp_path: Path, form: str) -> None:
    rows = [{"question": "Is it?", "answer": "Yes."}, {"question": 'A "bean", or\ntwo?', "answer": "Two."}]
    path = tmp_path / f"asked.{form}"
    names = list(rows[0])
    if form in ("csv", "tsv"):
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, "excel-tab" if form == "tsv" else "excel")
            writer.writerows([names, *(row.values() for row in rows)])
    elif form == "xlsx":
        book = openpyxl.Workbook()
        for cells in (names, *(list(row.values()) for row in rows)):
            book.worksheets[0].append(cells)
        book.save(path)
    elif form == "parquet":
        parquet.write_table(pyarrow.table({name: [row[name] for row in rows] for name in names}), path)
    else:
        text = json.dumps(rows, indent=1) if form == "json" else lines(*rows)
        packed = {"zst": zstandard.ZstdCompressor().compress, "xz": lzma.compress}.get(form.split(".")[-1], bytes)
        path.write_bytes(packed(text.encode()))
    found = read_examples(path)
    assert not found.complaints
    assert [[message.content for message in one.example.messages] for one in found.placed] == [
        list(row.values()) for row in rows
    ]


def test_a_file_that_is_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        read_examples(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(UserError):
        read_examples(tmp_path / "empty.jsonl")


# -- columns --


@pytest.mark.parametrize(
    ("columns", "row", "expected"),
    [
        ("prompt=问,response=答", {"问": ASKED, "答": REPLIED, "output": "x"}, Example("conversation", TALK)),
        (
            "prompt=a，query=b，response=c，system=d",
            {"a": "甲", "b": "乙", "c": REPLIED, "d": "丙"},
            Example("conversation", (Message("system", "丙"), user("甲\n乙"), bot(REPLIED))),
        ),
        (
            "messages=turns,role_tag=who,content_tag=says,user_tag=客,assistant_tag=主",
            {"turns": [{"who": "客", "says": ASKED}, {"who": "主", "says": REPLIED}]},
            Example("conversation", TALK),
        ),
        ("chosen=好,rejected=坏,prompt=题", {"题": ASKED, "好": REPLIED, "坏": "不知道"}, PAIR),
        ("", {"instruction": ASKED, "output": REPLIED}, Example("conversation", TALK)),
    ],
)
def test_columns_say_what_a_file_calls_otherwise(columns: str, row: Any, expected: Example) -> None:
    assert read(Columns(columns).renamed(row)) == (expected,)


@pytest.mark.parametrize("given", ["prompt", "prompt=", "colour=x"])
def test_columns_that_mean_nothing_are_refused(given: str) -> None:
    with pytest.raises(UserError, match="--columns"):
        Columns(given)


@pytest.mark.parametrize(
    ("worked", "answer"),
    [
        ("6 × 7 #### 42", "42"),
        ("6 × 7\n####\t42 \n\n", "42"),
        ("#### 1\n#### 2", "2"),
        ("a #### 1 #### 2", "2"),
        ("######## 42", "42"),
        ("#### 渡口\n在柳树旁边。", None),
        ("42", None),
        ("####", None),
        ("42 ####  \n", None),
        ("#" * 200_000 + "\nx", None),
        ("# " * 100_000 + "\nx", None),
        ("#### " * 50_000, None),
        ("####" + " " * 200_000 + "x", "x"),
        ("####" + "\n" * 200_000 + "x", None),
    ],
)
def test_a_true_answer_stands_behind_the_last_mark_on_the_last_line(worked: str, answer: str | None) -> None:
    assert formats.true_answer(worked) == answer


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "questions.txt"])
def test_a_row_that_is_too_long_is_a_complaint(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROW_LIMIT", 1000)
    monkeypatch.setattr(rows, "_PIECE", 100)
    good, long = {"question": "Who?", "answer": "Hob."}, {"question": "Who?", "answer": "Hob." * 1000}
    content = {
        "rows.jsonl": f"{json.dumps(good)}\n{json.dumps(long)}\n{json.dumps(good)}\n",
        "rows.json": json.dumps([good, long]),
        "questions.txt": "Who?\n" + "Who? " * 1000 + "\nWho?\n",
    }[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = read_examples(tmp_path / name)
    assert found.complaints == [f"{name}:2: row too long (at most 16 million characters)"]
    assert len(found.placed) == (1 if name == "rows.json" else 2)
