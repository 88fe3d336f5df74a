"""From a file of examples to what training reads: which answers somebody judged, and how."""

from pathlib import Path

import pytest
from train_helpers import tokenizer

from modou import storage
from modou.data.conversation import Message, Template
from modou.data.examples import read_conversations, read_judgements, read_preferences, read_questions
from modou.messages import UserError
from modou.tasks.registry import EXACT

TEMPLATE = Template(tokenizer())


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(storage.json_line(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_labelled_answers_and_pairs_are_read_from_one_file(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "一？"}, {"role": "assistant", "content": "甲"}]
    longer = [*talk, {"role": "user", "content": "二？"}, {"role": "assistant", "content": "乙"}]
    file = write(
        tmp_path / "mixed.jsonl",
        {"prompt": "三？", "chosen": "丙", "rejected": "丁"},
        {"messages": longer, "label": False},
        {"prompt": "四？", "completion": "戊", "label": True},
        {"prompt": "五？", "completion": "己" * 99, "label": True},
        {"prompt": "六？"},
    )
    found = read_judgements(file, "", TEMPLATE, context=64)
    assert [question[-1].content for question in found.questions] == ["三？", "三？", "二？", "四？"]
    assert [one.desirable for one in found.answers] == [True, False, False, True]
    for one, answer in zip(found.answers, "丙丁乙戊", strict=True):
        learned = [id for id, trained in zip(one.encoded.ids, one.encoded.trained, strict=True) if trained]
        assert TEMPLATE.answer(learned) == answer and learned[-1] == tokenizer().end
    assert found.questions[2][:2] == (Message("user", "一？"), Message("assistant", "甲"))
    facts = found.facts()
    assert (facts.answers, facts.desirable, facts.undesirable, facts.bad) == (4, 2, 2, 2)
    assert ":4:" in facts.complaints[0] and ":5:" in facts.complaints[1]


def test_a_file_without_a_judgement_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="modou data check"):
        read_judgements(write(tmp_path / "none.jsonl", {"prompt": "一？"}), "", TEMPLATE, context=64)


def test_a_worked_answer_is_learned_by_sft_and_asked_by_rl(tmp_path: Path) -> None:
    row = {"question": "三盏灯灭一盏？", "answer": "三减一。\n#### 2"}
    file = write(tmp_path / "worked.jsonl", row, {"question": "一？", "answer": "甲"}, {"prompt": "二？"})
    talks = read_conversations(file, "", TEMPLATE, context=128)
    assert [messages[-1].content for messages in talks.messages] == [row["answer"], "甲"]
    questions = read_questions(file, "", TEMPLATE, room=128).items
    assert [question.facts for question in questions] == [
        {"answer": "2", "worked": row["answer"]},
        {"answer": "甲"},
        {},
    ]
    score = EXACT.score
    assert [score(text, questions[0].facts) for text in (row["answer"], "2", " 2 ", "3", "三减一。\n#### 3")] == [
        1,
        1,
        1,
        0,
        0,
    ]


def test_what_was_assumed_stands_in_the_counts_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    turns = [{"role": "assistant", "content": "来了。"}, {"role": "user", "content": "谁？"}]
    answer = {"role": "assistant", "content": "甲"}
    rows = (
        {"messages": [*turns, answer]},
        {"messages": turns, "chosen": "甲", "rejected": "乙"},
        {"messages": turns},
    )
    file = write(tmp_path / "mixed.jsonl", *rows)
    facts = [
        read(file, "", TEMPLATE, 128).facts()
        for read in (read_conversations, read_preferences, read_judgements, read_questions)
    ]
    assert all(len(one.notes) == 1 and "3 (first: mixed.jsonl:1)" in one.notes[0] for one in facts)


def test_a_conversation_that_ends_with_the_user_is_learned_up_to_the_last_answer(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "一？"}, {"role": "assistant", "content": "甲"}]
    bare = [{"role": "assistant", "content": "来了。"}, {"role": "user", "content": "谁？"}]
    rows = ({"messages": [*turns, {"role": "user", "content": "谢谢"}]}, {"messages": bare}, {"messages": turns[:1]})
    file = write(tmp_path / "open.jsonl", *rows)
    found = read_conversations(file, "", TEMPLATE, context=128)
    assert found.messages == [(Message("user", "一？"), Message("assistant", "甲"))]
    assert found.facts().bad == 2 and "open.jsonl:1" in found.facts().notes[0]
    assert [one.text for one in read_questions(file, "", TEMPLATE, room=128).items] == ["谢谢", "谁？", "一？"]


def test_turns_that_are_not_learned_have_no_loss(tmp_path: Path) -> None:
    turns = [
        {"role": "assistant", "content": "来了。"},
        {"role": "user", "content": "谁？"},
        {"role": "assistant", "content": "错", "weight": 0},
        {"role": "user", "content": "谁？"},
        {"role": "assistant", "content": "对"},
    ]
    (encoded,) = read_conversations(write(tmp_path / "one.jsonl", {"messages": turns}), "", TEMPLATE, 128).encoded
    learned = [id for id, trained in zip(encoded.ids, encoded.trained, strict=True) if trained]
    assert TEMPLATE.answer(learned) == "对" and learned[-1] == tokenizer().end and learned.count(learned[-1]) == 1
