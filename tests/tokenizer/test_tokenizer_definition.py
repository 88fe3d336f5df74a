"""A tokenizer.json that is damaged, or of a kind that does not restore every text, is refused in one line."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_helpers import END, definition, foreign, size

from modou.messages import UserError
from modou.tokenizer.byte_level import ByteLevelTokenizer, SpecialTokens
from modou.tokenizer.definition import byte_characters
from modou.tokenizer.loading import load_tokenizer

Change = Callable[[dict[str, Any]], Any]
NOT_VALID = r"it is not a valid tokenizer\.json"
SPECIAL = SpecialTokens(None, 0, None, None, 500)


def part(*path: str, to: Any) -> Change:
    """Sets one part of the file."""

    def change(value: dict[str, Any]) -> None:
        inner: Any = value
        for key in path[:-1]:
            inner = inner[int(key) if isinstance(inner, list) else key]
        inner[path[-1]] = to

    return change


def without(*path: str) -> Change:
    def change(value: dict[str, Any]) -> None:
        inner: Any = value
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return change


DAMAGED: dict[str, Change] = {
    "no model": without("model"),
    "model is null": part("model", to=None),
    "model is a text": part("model", to="BPE"),
    "no vocabulary": without("model", "vocab"),
    "no merges": without("model", "merges"),
    "vocabulary is a list": part("model", "vocab", to=["a", "b"]),
    "an id is a text": part("model", "vocab", "a", to="7"),
    "an id is negative": part("model", "vocab", "a", to=-1),
    "an id is a fraction": part("model", "vocab", "a", to=1.5),
    "an id is true": part("model", "vocab", "a", to=True),
    "an id is huge": part("model", "vocab", "a", to=10**400),
    "an id leaves a gap": part("model", "vocab", "a", to=100_000),
    "an id comes twice": part("model", "vocab", "a", to=5),
    "an empty name": part("model", "vocab", "", to=450),
    "a merge of what is no piece": part("model", "merges", to=[["哈", "呵"]]),
    "merges are numbers": part("model", "merges", to=[1, 2]),
    "an added token without an id": part("added_tokens", to=[{"content": "<x>"}]),
    "an added token under another id": part("added_tokens", "0", "id", to=7),
    "added tokens are an object": part("added_tokens", to={"a": 1}),
    "a decoder without a type": part("decoder", to={}),
    "a decoder that is a list": part("decoder", to=["ByteLevel"]),
    "a sequence of nothing": part("pre_tokenizer", to={"type": "Sequence"}),
    "a lone surrogate": part("model", "vocab", "\ud800", to=450),
    "a pattern that is none": part(
        "pre_tokenizer",
        to={
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": "(["}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False},
            ],
        },
    ),
}
REFUSED: dict[str, tuple[Change, str]] = {
    "WordPiece": (part("model", "type", to="WordPiece"), "model.type: WordPiece"),
    "Unigram": (part("model", to={"type": "Unigram", "vocab": [["a", -1.0]]}), "model.type: Unigram"),
    "dropout": (part("model", "dropout", to=0.1), "model.dropout: 0.1"),
    "a suffix": (part("model", "end_of_word_suffix", to="</w>"), "model.end_of_word_suffix: </w>"),
    "lower case": (part("normalizer", to={"type": "Lowercase"}), "normalizer: Lowercase"),
    "a prefix": (
        part("normalizer", to={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}]}),
        "normalizer: Prepend",
    ),
    "a space before texts": (part("pre_tokenizer", "add_prefix_space", to=True), "add_prefix_space: True"),
    "white space left out": (part("pre_tokenizer", to={"type": "Whitespace"}), "pre_tokenizer: Whitespace"),
    "Metaspace": (part("decoder", to={"type": "Metaspace", "replacement": "▁"}), "decoder: ['Metaspace']"),
    "no decoder": (part("decoder", to=None), "decoder: []"),
    "no byte A": (lambda value: _renamed(value, "A"), "vocab: ∌ A"),
    "a token that takes spaces with it": (
        lambda value: value["added_tokens"][1].update(special=False, lstrip=True),
        "added_tokens.strip: <|im_start|>",
    ),
}


def _renamed(value: dict[str, Any], piece: str) -> None:
    names = value["model"]["vocab"]
    names["呵呵"] = names.pop(piece)
    value["model"]["merges"] = []


def changed(change: Change) -> bytes:
    value = json.loads(definition("gpt2"))
    change(value)
    return json.dumps(value).encode()


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=NOT_VALID) as caught:
        ByteLevelTokenizer(changed(DAMAGED[name]), SPECIAL, "it")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 320
    assert not capfd.readouterr().err


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]", b"7", b"[" * 5000, b'{"model": ' + b"9" * 6000 + b"}", b"{"])
def test_no_json(data: bytes) -> None:
    with pytest.raises(UserError, match=NOT_VALID):
        ByteLevelTokenizer(data, SPECIAL, "it")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str) -> None:
    change, said = REFUSED[name]
    with pytest.raises(UserError) as caught:
        ByteLevelTokenizer(changed(change), SPECIAL, "it")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_parts_that_older_files_leave_out_or_have_besides() -> None:
    value = json.loads(definition("gpt2"))
    del value["model"]["type"]
    value["model"]["continuing_subword_prefix"] = ""
    value["model"]["merges"] = [" ".join(pair) for pair in value["model"]["merges"]]
    value["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    value["padding"] = {
        "strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": END,
    }  # fmt: skip
    value["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": END, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {END: {"id": END, "ids": [0], "tokens": [END]}},
    }
    tokenizer = ByteLevelTokenizer(json.dumps(value).encode(), SPECIAL)
    text = "The snail's shell, and 3 more."
    assert tokenizer.encode(text) == foreign().encode(text)


def test_special_tokens_that_do_not_fit() -> None:
    data = definition("gpt2")
    tokens = size(data)
    for special, said in (
        (SpecialTokens(None, None, None, None, 500), "no end-of-text token"),
        (
            SpecialTokens(None, 0, None, None, tokens - 1),
            f"{tokens} tokens, the model's embedding only {tokens - 1} rows",
        ),
        (SpecialTokens(None, 460, None, None, 500), "no token 460"),
        (SpecialTokens(None, 0, 470, None, 500), "no token 470"),
        (SpecialTokens(40, 0, None, None, 500), "is taken for bos or eos"),
    ):
        with pytest.raises(UserError, match=said):
            ByteLevelTokenizer(data, special, "it")
    with pytest.raises(UserError, match="no token </s>"):
        SpecialTokens.named(data, {"eos": "</s>"}, 500, "it")
    with pytest.raises(UserError, match="-3 is no number of rows"):
        SpecialTokens.named(data, {"eos": END}, -3, "it")
    named = SpecialTokens.named(data, {"eos": END, "bos": None, "unk": END}, 500, "it")
    assert named == SpecialTokens(None, 0, None, 0, 500)


@pytest.mark.parametrize(
    "content", ["{}", "[]", "7", "{", '{"eos": "0"}', '{"bos":0,"eos":-1,"pad":0,"unk":0,"rows":9}', "9" * 5000]
)
def test_a_damaged_special_json_is_named(tmp_path: Path, content: str) -> None:
    foreign().save(tmp_path)
    (tmp_path / "special.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"special\.json"):
        load_tokenizer(tmp_path)


def test_a_file_of_a_terabyte_is_refused_unread(tmp_path: Path) -> None:
    foreign().save(tmp_path)
    os.truncate(tmp_path / "tokenizer.json", 2**40)
    with pytest.raises(UserError, match="is too large"):
        load_tokenizer(tmp_path)


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match=r"pip install 'modou\[export\]'"):
        ByteLevelTokenizer(definition("gpt2"), SPECIAL)


def test_the_table_of_bytes() -> None:
    names = byte_characters()
    assert len(set(names)) == 256 and names[ord("a")] == "a" and names[ord(" ")] == "Ġ" and names[ord("\n")] == "Ċ"
