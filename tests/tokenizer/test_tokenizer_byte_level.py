"""Tokenizers of other people's models: the same ids as in transformers, every text restored, no mark forged."""

import json
import pickle
import tracemalloc
import unicodedata
from functools import cache
from itertools import count
from pathlib import Path

import pytest
import tokenizers
from foreign_helpers import END, KINDS, STORY, TURN, definition, foreign
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from modou.data.conversation import Message, Template
from modou.messages import UserError
from modou.tokenizer import byte_level
from modou.tokenizer.byte_level import ByteLevelTokenizer, SpecialTokens
from modou.tokenizer.card import make_card
from modou.tokenizer.definition import byte_characters
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.training import CONTROLS

NAMES = (END, TURN, "<|im_end|>", "<think>", "</think>", "<unk>", "<0xE4>", "<0x0A>", *CONTROLS)
PARTS = (
    "哈哈哈哈哈",
    " ",
    "\n",
    "\r\n",
    "\t",
    "。\n",
    "snail",
    "'ll",
    "é",
    "e\u0301",
    "\u1100\u1161",
    "麒",
    "𠀀",
    "👩‍🚀",
    "\0",
    "7",
)
TEXTS = st.text() | st.lists(st.sampled_from((*NAMES, *PARTS)) | st.text(max_size=3)).map("".join)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@settings(max_examples=200)
@given(text=TEXTS)
@example("".join((*NAMES, *PARTS)) * 2)
@example(STORY)
def test_the_ids_are_those_of_transformers(kind: str, text: str) -> None:
    oracle = _oracle(kind)
    tokenizer = foreign(kind)
    ids = tokenizer.encode(text)
    if tokenizer.normalise(text) == text:  # what a normalizer changes, it may change otherwise beside an added token
        assert ids == oracle(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert tokenizer.decode(ids) == tokenizer.normalise(text)
    assert sum(map(tokenizer.characters, ids)) == len(tokenizer.normalise(text))
    assert not any(map(tokenizer.is_control, ids))


@cache
def _oracle(kind: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer.from_buffer(definition(kind)))


@given(text=TEXTS)
def test_a_normalizer_is_told(text: str) -> None:
    assert foreign("qwen").normalise(text) == unicodedata.normalize("NFC", text)
    assert foreign("gpt2").normalise(text) == text


@settings(max_examples=200)
@given(data=st.data())
def test_streamed_text_is_decoded_text(kind: str, data: st.DataObject) -> None:
    tokenizer = foreign(kind)
    tokens = data.draw(st.lists(st.integers(0, tokenizer.vocabulary - 1)))
    stream = tokenizer.stream()
    assert "".join(map(stream.push, tokens)) + stream.end() == tokenizer.decode(tokens)


@cache
def _extended(kind: str) -> ByteLevelTokenizer:
    return foreign(kind, rows=460).extended()


@settings(max_examples=200)
@given(text=TEXTS)
@example("<|end|><|assistant|>")
def test_no_text_is_encoded_as_a_mark(kind: str, text: str) -> None:
    own, extended = foreign(kind, rows=460), _extended(kind)
    assert extended.encode(text) == own.encode(text)
    assert not set(extended.encode(text)) & {*extended.controls.values(), extended.bos, extended.eos}
    whole = Template(extended).encode([Message("user", text), Message("assistant", text)]).ids
    assert [id for id in whole if extended.is_control(id)] == [
        extended.bos, extended.controls["user"], extended.end, extended.assistant, extended.end,
    ]  # fmt: skip


@pytest.mark.parametrize("ignore_merges", [False, True])
def test_a_special_token_that_the_merges_reach_is_spelled_in_bytes(ignore_merges: bool) -> None:
    """Without cuts and with `ignore_merges`, a word that is in the vocabulary is taken whole: <|endoftext|>, too."""
    value = json.loads(definition("whole"))
    names = dict[str, int](value["model"]["vocab"])
    pieces = [END[: length + 1] for length in range(1, len(END)) if END[: length + 1] not in names]
    for piece in pieces:
        names.setdefault(piece, len(names))
    merges = [[END[:length], END[length]] for length in range(1, len(END))]
    tokenizer = foreign(
        "whole", model=value["model"] | {"vocab": names, "merges": merges, "ignore_merges": ignore_merges}
    )
    assert tokenizer._library.encode(END, add_special_tokens=False).ids == [tokenizer.eos]
    for text in (END, f"快{END}慢", END * 3):
        assert tokenizer.eos not in tokenizer.encode(text) and tokenizer.decode(tokenizer.encode(text)) == text


def test_added_tokens_that_are_text_are_single_ids_and_show_their_text() -> None:
    tokenizer = foreign("qwen")
    assert [tokenizer.piece(id) for id in tokenizer.encode("<think>慢</think>")][:1] == ["<think>"]
    assert tokenizer.decode(tokenizer.encode("<think>慢</think>")) == "<think>慢</think>"
    assert len(tokenizer.encode("<think>")) == 1 and len(tokenizer.encode("<|im_end|>")) > 1


def test_special_ids() -> None:
    tokenizer = foreign(rows=470)
    end = tokenizer.pieces().index(END)
    assert (tokenizer.bos, tokenizer.eos, tokenizer.pad, tokenizer.unk) == (end, end, end, None)
    assert tokenizer.decode([end, tokenizer.pieces().index(TURN), 469]) == "" and tokenizer.piece(end) == END
    assert tokenizer.controls == {} and tokenizer.lacking == CONTROLS
    assert tokenizer.vocabulary == len(tokenizer.pieces()) == 470
    with pytest.raises(IndexError):
        tokenizer.decode([470])
    with pytest.raises(UserError, match=r"no control token <\|system\|>.*modou sft"):
        Template(tokenizer)
    space = tokenizer.encode(" snail")[0]
    assert tokenizer.piece(space).startswith("␣") and space in tokenizer.spaced
    names = dict(zip(tokenizer.piece_bytes, map(tokenizer.piece, range(tokenizer.vocabulary)), strict=True))
    assert (names[b"\xe4"], names[b"\n"], names["哈".encode()]) == ("<0xE4>", "⏎", "哈")


def test_marks_take_rows_without_a_token_and_then_new_ones() -> None:
    tokens = foreign().vocabulary
    for free, vocabulary in ((20, tokens + 20), (2, tokens + 4), (0, tokens + 4)):
        own = foreign(rows=tokens + free)
        extended = own.extended()
        assert extended.vocabulary == vocabulary and extended.extended() is extended
        assert list(extended.controls.values()) == list(range(tokens, tokens + 4)) and not extended.lacking
        assert extended.unseen == set(range(tokens, vocabulary)) and own.unseen == set(range(tokens, tokens + free))
        assert extended.with_seen([tokens]).unseen == extended.unseen - {tokens}
        assert extended.pieces()[:tokens] == own.pieces()[:tokens] and extended.sha256 != own.sha256


def test_a_mark_that_is_an_ordinary_token_becomes_special_under_its_id() -> None:
    value, new = json.loads(definition("gpt2")), foreign().vocabulary
    for special in (False, True):
        flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": special}
        own = foreign(added_tokens=[*value["added_tokens"], {"id": new, "content": "<|end|>", **flags}])
        assert own.controls == ({"end": new} if special else {}) and "<|end|>" not in own.lacking
        assert (own.encode("<|end|>") == [new]) is not special
        extended = own.extended()
        assert extended.end == new and extended.controls["system"] == new + 1 and new not in extended.unseen
        assert new not in extended.encode("<|end|>") and extended.decode(extended.encode("<|end|>")) == "<|end|>"


def test_saved_loaded_and_pickled(kind: str, tmp_path: Path) -> None:
    tokenizer = foreign(kind, rows=480).extended()
    tokenizer.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"tokenizer.json", "special.json", "unseen.json"}
    for copy in (
        load_tokenizer(tmp_path),
        load_tokenizer(tmp_path, extend=True),
        pickle.loads(pickle.dumps(tokenizer)),
    ):
        assert copy.files == tokenizer.files and copy.sha256 == tokenizer.sha256 and copy.unseen == tokenizer.unseen
        assert copy.encode(STORY) == tokenizer.encode(STORY) and copy.controls == tokenizer.controls
    assert foreign(kind, rows=481).sha256 != foreign(kind, rows=480).sha256, "special.json is part of it"


@settings(max_examples=100)
@given(text=st.lists(st.sampled_from((*PARTS, "<think>", "a<think>b", "x's", "，")), max_size=60).map("".join))
@example(STORY)
def test_cut_into_blocks_is_encoded_as_if_whole(kind: str, text: str) -> None:
    tokenizer = foreign(kind)
    whole = tokenizer.encode(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_level, "_BLOCK", 3)
        parts = list(tokenizer.encode_parts(text))
    assert [id for part in parts for id in part] == whole
    if text == STORY:
        assert (len(parts) > 30) is (kind in ("gpt2", "qwen"))


def test_newlines_inside_pieces_are_counted() -> None:
    tokenizer = foreign("whole")
    ids = tokenizer.encode(STORY)
    assert max(tokenizer.newlines[ids]) > 0
    assert int(tokenizer.newlines[ids].sum()) == STORY.count("\n")
    assert any(tokenizer.newlines[id] and tokenizer.characters(id) > tokenizer.newlines[id] for id in ids)


def test_card(kind: str) -> None:
    card = make_card(foreign(kind, rows=500), [STORY, "Cafe\u0301 麒\ud800"])
    assert card.vocabulary == 500 and card.training is None
    assert card.train.round_trip.exact and card.train.unknown_tokens == 0
    assert 0 < card.train.byte_fallback < 0.7 and card.train.distinct_characters_with_own_piece > 20
    assert len(card.longest_pieces) == 20


@pytest.mark.slow
def test_a_vocabulary_of_150_000_is_lean() -> None:
    """What Python holds of one of Qwen's size, beside the library."""
    names = byte_characters()
    vocab, merges = {name: id for id, name in enumerate(names)}, list[list[str]]()
    for number in count():
        left, right = names[number % 256], names[number // 256 % 256] + (names[number >> 16] if number >> 16 else "")
        if right not in vocab or left + right in vocab:
            continue
        vocab[left + right] = len(vocab)
        merges.append([left, right])
        if len(vocab) == 150_000:
            break
    value = json.loads(definition("gpt2"))
    ends = [{**value["added_tokens"][0], "id": 150_000}]
    changed = {"model": value["model"] | {"vocab": vocab, "merges": merges}, "added_tokens": ends}
    data = json.dumps(value | changed, ensure_ascii=False).encode()
    tracemalloc.start()
    tokenizer = ByteLevelTokenizer(data, SpecialTokens(None, 150_000, None, None, 151_936))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 80e6
    assert tokenizer.decode(tokenizer.encode(STORY)) == STORY
    assert len(tokenizer.unseen) == 1935 and tokenizer.extended().vocabulary == 151_936
    assert tokenizer.encode("a b") and tokenizer.spaced
