"""From a file of examples to what training reads: which answers somebody judged, and how."""

from pathlib import Path

import pytest
from train_helpers import tokenizer

from modou import storage
from modou.data.conversation import Message, Template
from modou.data.examples import read_judgements
from modou.messages import UserError

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
