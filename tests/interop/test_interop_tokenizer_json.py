"""tokenizer.json: the library tokenizers gives the ids of our tokenizer, for every text."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interop_helpers import trained_tokenizer
from text_helpers import clean
from train_helpers import DOCUMENTS

from modou.interop.tokenizer_json import tokenizer_json
from modou.settings.text import TokenizerKind, TokenizerSettings
from modou.text.readers.book import read_book
from modou.tokenizer.model import model_kind
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer

tokenizers = pytest.importorskip("tokenizers")

KINDS: tuple[TokenizerKind, ...] = ("bpe", "char", "unigram")
PERIODIC = ("哈哈哈哈哈哈哈", "哈呵哈呵哈呵哈", "……………………", "ab" * 9, " " * 12, "——" * 5)
LOOK_ALIKES = ("<s>", "</s>", "<unk>", "<pad>", "<|end|>", "<|user|>", "<0xE4>", "<0x0A>", "▁", "<", "<|", "<<s>")
ODD = ("\n", "\n\n", " ", "\t", "\r\n", "\0", "\u3000", "😀", "👩‍👩‍👧", "𠮷", "é", "\ufeff", "\ue000", "龘")
words = st.sampled_from([*PERIODIC, *LOOK_ALIKES, *ODD, *"哈呵ab豆。", "阿豆", "看见了", "by the well"])
texts = st.one_of(st.lists(words, max_size=12).map("".join), st.text(max_size=40))


@cache
def made(kind: TokenizerKind, periodic: bool = False) -> tuple[Tokenizer, Any]:
    """Ours and theirs; `periodic`: of a text with little but repetition."""
    own = trained_tokenizer(kind)
    if periodic:
        lines = [part * count for part in PERIODIC for count in range(1, 9)]
        settings = TokenizerSettings(kind=kind, vocabulary=400, threads=1)
        own = SentencePieceTokenizer.train(["\n".join([*lines, *DOCUMENTS])], settings)
    theirs = tokenizers.Tokenizer.from_str(json.dumps(tokenizer_json(own)))
    theirs.encode_special_tokens = True
    return own, theirs


@pytest.mark.parametrize("kind", KINDS)
def test_the_algorithm_is_read_from_the_model(kind: TokenizerKind) -> None:
    assert model_kind(trained_tokenizer(kind).model) == kind


@pytest.mark.parametrize("periodic", [False, True], ids=["prose", "periodic"])
@pytest.mark.parametrize("kind", ["bpe", "char"])
@given(text=texts)
def test_ids_are_the_same(kind: TokenizerKind, periodic: bool, text: str) -> None:
    own, theirs = made(kind, periodic)
    assert theirs.encode(text).ids == [own.bos, *own.encode(text)]
    assert theirs.encode(text, add_special_tokens=False).ids == own.encode(text)
    assert theirs.decode(own.encode(text)) == text


@given(text=texts)
def test_unigram_cuts_into_the_same_pieces(text: str) -> None:
    own, theirs = made("unigram")
    found = theirs.encode(text, add_special_tokens=False).ids
    assert sorted(found) == sorted(own.encode(text))
    assert own.decode(found) == text == theirs.decode(found)


@pytest.mark.parametrize("kind", KINDS)
def test_marks_are_marks_only_where_they_are_parsed(kind: TokenizerKind) -> None:
    own, theirs = made(kind)
    assert theirs.encode("<|end|>", add_special_tokens=False).ids == own.encode("<|end|>") != [own.end]
    parsing = tokenizers.Tokenizer.from_str(theirs.to_str())
    assert parsing.encode("<|end|>", add_special_tokens=False).ids == [own.end]
    assert parsing.encode("<0xE4>", add_special_tokens=False).ids == own.encode("<0xE4>")


@pytest.mark.parametrize("kind", KINDS)
def test_marks_that_came_later_have_their_ids(kind: TokenizerKind) -> None:
    own, theirs = made(kind)
    for name, token in {"<s>": own.bos, "</s>": own.eos, "<pad>": own.pad, "<|user|>": own.controls["user"]}.items():
        assert theirs.token_to_id(name) == token


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_novel_has_the_same_ids(kind: TokenizerKind, shuihu_path: Path) -> None:
    chapters = [chapter.text for chapter in clean(read_book(shuihu_path)).chapters]
    own = SentencePieceTokenizer.train(chapters[:120], TokenizerSettings(kind=kind, vocabulary=4300))
    theirs = tokenizers.Tokenizer.from_str(json.dumps(tokenizer_json(own)))
    if kind == "unigram":  # rounding, which grows with a text, decides two near-ties in whole chapters
        chapters = "\n".join(chapters).split("\n")
    for text in chapters:
        assert theirs.encode(text, add_special_tokens=False).ids == own.encode(text)
