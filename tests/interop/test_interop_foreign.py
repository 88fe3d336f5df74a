"""Exports of runs whose tokenizer is not the usual one: from another model, or with marks that came later."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from foreign_helpers import END, STORY, definition, foreign
from interop_helpers import exported, portable, trained_tokenizer
from train_helpers import DOCUMENTS

from modou.data.conversation import Message, Template
from modou.interop.portable import Portable
from modou.settings.text import TokenizerSettings
from modou.tokenizer import training
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import train_model

transformers = pytest.importorskip("transformers")

TEXTS = (STORY, "", " ", "慢慢来。\n\n  x", "<|im_start|><think>e\u0301</think>", END, "哈" * 20)
TALK = (Message("user", " 谁？\n\n"), Message("assistant", "小蜗牛 <b>\n"))


def of(tokenizer: Tokenizer, answers: bool = False) -> Portable:
    model = portable("llama", answers=answers, vocabulary=tokenizer.vocabulary)
    return replace(model, tokenizer=tokenizer)


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", ["gpt2", "qwen", "whole", "fallback"])
def test_a_foreign_tokenizer_goes_out_as_it_came(kind: str, tmp_path: Path) -> None:
    own = foreign(kind, rows=450)
    folder = exported(of(own), tmp_path / "out")
    assert (folder / "tokenizer.json").read_bytes() == definition(kind)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        found = theirs(text, add_special_tokens=False, split_special_tokens=True)
        assert found["input_ids"] == own.encode(text)
    assert (theirs.bos_token, theirs.eos_token, theirs.pad_token) == (END, END, END)
    config = read(folder, "config.json")
    assert config["vocab_size"] == 450 and config["eos_token_id"] == own.eos
    assert set(range(len(theirs), 450)) <= set(read(folder, "generation_config.json")["suppress_tokens"])
    assert END in (folder / "README.md").read_text(encoding="utf-8")
    back = load_tokenizer(folder / "modou")
    assert back.sha256 == own.sha256 and back.unseen == own.unseen


@pytest.mark.parametrize("kind", ["gpt2", "qwen", "whole", "fallback"])
def test_its_marks_are_those_of_our_conversations(kind: str, tmp_path: Path) -> None:
    own = foreign(kind, rows=450).extended()
    folder = exported(of(own, answers=True), tmp_path / "out")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [{"role": turn.role, "content": turn.content} for turn in TALK]
    found = theirs.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    expected = Template(own).encode(TALK)
    assert found["input_ids"] == list(expected.ids)
    assert found["assistant_masks"] == [int(one) for one in expected.trained]
    assert read(folder, "generation_config.json")["eos_token_id"] == [own.eos, own.end]


def test_marks_that_came_later_are_the_last_ids(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "CONTROLS", ())
        old = SentencePieceTokenizer(train_model(DOCUMENTS, TokenizerSettings(vocabulary=330, threads=1))[0])
    own = old.extended()
    assert own.end == old.vocabulary + 3 and own.vocabulary == old.vocabulary + 4 != trained_tokenizer().vocabulary
    folder = exported(of(own, answers=True), tmp_path / "out")
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert read(folder, "generation_config.json")["eos_token_id"] == [own.eos, own.end]
    turns = [{"role": turn.role, "content": turn.content} for turn in TALK]
    found = theirs.apply_chat_template(turns, return_dict=True)
    assert found["input_ids"] == list(Template(own).encode(TALK).ids)
