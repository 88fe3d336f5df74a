"""Half characters, characters that were not decoded, and NUL in rows of examples."""

import json
from pathlib import Path
from typing import Any

import pytest
from talk_helpers import FIRST, said, talk, write

from modou.data.formats.formats import read
from modou.data.formats.reading import read_examples


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
        talk(("user", "Who?"), ("assistant", "Hob\ud83d."), ("user", "Thanks.")),
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
