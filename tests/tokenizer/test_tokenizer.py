"""The tokenizer loses nothing, never lets text become a control symbol, and streams whole characters."""

import json
import os
import pickle
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modou import storage
from modou.messages import UserError
from modou.settings.text import TokenizerKind, TokenizerSettings
from modou.tokenizer import sentencepiece as tokenizer_module
from modou.tokenizer.card import Card, make_card
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.training import LONGEST_LINE, sample_evenly, train_model

STORY = "\n".join(
    f"第{i}日，小魔豆在王婆婆的菜园里又长高了{i * 7 % 13}寸，邻居们都来看热闹。\n"
    "“好豆！”老张说，“the bean grows and grows。”"
    for i in range(60)
)


@pytest.fixture(scope="module", params=["bpe", "unigram", "char"])
def tokenizer(request: pytest.FixtureRequest) -> SentencePieceTokenizer:
    return SentencePieceTokenizer.train([STORY], TokenizerSettings(kind=request.param, vocabulary=400))


def trained(text: str = STORY, kind: TokenizerKind = "bpe", vocabulary: int = 400) -> SentencePieceTokenizer:
    return SentencePieceTokenizer.train([text], TokenizerSettings(kind=kind, vocabulary=vocabulary))


@settings(max_examples=300, deadline=None)
@given(text=st.text() | st.text(alphabet="▁ \n\t\r\0▅⁇豆<|>suer/0xA�\ufeffé"))
def test_every_text_comes_back(tokenizer: SentencePieceTokenizer, text: str) -> None:
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert tokenizer.unk not in tokens
    assert not any(tokenizer.is_control(token) for token in tokens)
    assert sum(map(tokenizer.characters, tokens)) == len(text)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_streamed_text_is_decoded_text(tokenizer: SentencePieceTokenizer, data: st.DataObject) -> None:
    tokens = data.draw(st.lists(st.integers(0, 300) | st.integers(0, tokenizer.vocabulary - 1)))
    stream = tokenizer.stream()
    parts = [stream.push(token) for token in tokens]
    assert "".join(parts) + stream.end() == tokenizer.decode(tokens)
    assert stream.end() == ""


def test_stream_holds_half_a_character(tokenizer: SentencePieceTokenizer) -> None:
    tokens = tokenizer.encode("🫘")
    stream = tokenizer.stream()
    assert [stream.push(token) for token in tokens] == ["", "", "", "🫘"]
    stream.push(tokens[0])
    assert stream.end() == "�"


def test_special_ids(tokenizer: SentencePieceTokenizer) -> None:
    assert (tokenizer.unk, tokenizer.bos, tokenizer.eos, tokenizer.pad) == (0, 1, 2, 3)
    (newline,) = tokenizer.encode("\n")
    assert list(tokenizer.controls) == ["system", "user", "assistant", "end"]
    specials = [0, 1, 2, 3, *tokenizer.controls.values()]
    assert len(set(specials)) == 8
    assert tokenizer.decode(specials) == ""
    assert tokenizer.piece(tokenizer.end) == "<|end|>"
    assert tokenizer.piece(newline) == "⏎"
    assert len(tokenizer.pieces()) == tokenizer.vocabulary
    for token in (-1, tokenizer.vocabulary):
        with pytest.raises(IndexError):
            tokenizer.decode([token])
        with pytest.raises(IndexError):
            tokenizer.stream().push(token)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_control_words_in_the_training_text_stay_text(kind: TokenizerKind) -> None:
    text = "他写下 <|user|> 和 <s> 还有 <0x41> <unk> </s> <pad> <|end|><|end|>\n" * 200
    tokenizer = trained(text, kind)
    tokens = tokenizer.encode(text)
    assert tokenizer.decode(tokens) == text
    assert not any(tokenizer.is_control(token) or token == tokenizer.unk for token in tokens)


def test_lone_surrogates_become_replacement_characters(tokenizer: SentencePieceTokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("豆\ud800芽")) == "豆�芽"
    assert trained("豆芽\udfff菜" * 9).vocabulary > 265


def test_same_input_same_bytes() -> None:
    first, again = trained(), trained()
    assert first.model == again.model
    assert first.sha256 == again.sha256


def test_small_corpus_gives_a_smaller_vocabulary() -> None:
    for kind in ("bpe", "unigram", "char"):
        tokenizer = trained("豆", kind, 8000)
        assert tokenizer.vocabulary == 267
        assert tokenizer.training is not None and tokenizer.training.requested == 8000
        assert tokenizer.decode(tokenizer.encode("豆 子")) == "豆 子"


def test_more_characters_than_the_vocabulary_holds() -> None:
    text = "豆豆豆 " + "".join(chr(0x4E00 + i) for i in range(3000))
    for kind in ("bpe", "unigram", "char"):
        tokenizer = trained(text, kind, 300)
        assert tokenizer.vocabulary <= 300
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert len(tokenizer.encode("豆")) == 1
        assert len(tokenizer.encode(" ")) == 1
        card = make_card(tokenizer, [text])
        assert card.train.distinct_characters_with_own_piece < 36
        assert card.train.byte_fallback > 0.9


def test_a_vocabulary_below_the_reserved_pieces_is_refused() -> None:
    with pytest.raises(UserError, match="300"):
        TokenizerSettings.parse({"vocabulary": 265})


@pytest.mark.parametrize("texts", [[], [""], ["\n\n"], ["   "], ["\0▁"]])
def test_no_text(texts: list[str]) -> None:
    with pytest.raises(UserError, match="no text"):
        train_model(texts, TokenizerSettings())


def test_no_long_line_is_skipped() -> None:
    start = "甲乙丙丁" * 5000
    tokenizer = trained(start + "魔豆发芽" * 300, vocabulary=300)
    assert len(tokenizer.encode("魔豆发芽")) < 4


def test_a_huge_line_is_encoded_as_if_whole(tokenizer: SentencePieceTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tokenizer.encode(STORY)
    monkeypatch.setattr(tokenizer_module, "_BLOCK", 16)
    assert tokenizer.encode(STORY) == whole
    assert tokenizer.decode(tokenizer.encode("豆" * 1000)) == "豆" * 1000


def test_even_sample_is_bounded_and_spread() -> None:
    kept, offered = sample_evenly((f"{i:09}" for i in range(1000)), most=900)
    assert offered == 9000
    assert 450 <= sum(map(len, kept)) <= 900
    gaps = {int(b) - int(a) for a, b in pairwise(kept)}
    assert len(gaps) == 1
    parts, _ = sample_evenly(["x" * (3 * LONGEST_LINE + 1)])
    assert [len(part) for part in parts] == [LONGEST_LINE] * 3 + [1]


def test_saved_and_loaded(tokenizer: SentencePieceTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer")
    assert [path.name for path in (tmp_path / "tokenizer").iterdir()] == ["tokenizer.model"]
    loaded = load_tokenizer(tmp_path / "tokenizer")
    assert loaded.sha256 == tokenizer.sha256
    assert loaded.encode(STORY) == tokenizer.encode(STORY)
    copied = pickle.loads(pickle.dumps(tokenizer))
    assert copied.files == tokenizer.files and copied.training == tokenizer.training


def test_what_was_never_seen_is_kept_until_it_is(tokenizer: SentencePieceTokenizer, tmp_path: Path) -> None:
    told = SentencePieceTokenizer(tokenizer.model, unseen=[9, 5, 7])
    told.save(tmp_path)
    for copy in (load_tokenizer(tmp_path), pickle.loads(pickle.dumps(told))):
        assert copy.unseen == {5, 7, 9} and copy.sha256 == tokenizer.sha256
    told.with_seen([7, 8]).save(tmp_path)
    assert load_tokenizer(tmp_path).unseen == {5, 9}
    told.with_seen([5, 7, 9]).save(tmp_path)
    assert not load_tokenizer(tmp_path).unseen


def test_a_missing_or_damaged_tokenizer_is_named(tokenizer: SentencePieceTokenizer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tokenizer at"):
        load_tokenizer(tmp_path)
    file = tmp_path / "tokenizer.model"
    for content in (b"", b"not a model", tokenizer.model[: len(tokenizer.model) // 2]):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"tokenizer\.model"):
            load_tokenizer(tmp_path)


def test_card(tokenizer: SentencePieceTokenizer) -> None:
    card = make_card(tokenizer, [STORY], ["小豆不见了。"])
    assert storage.parse_form(Card, json.loads(json.dumps(storage.to_json(card)))) == card
    assert card.vocabulary == tokenizer.vocabulary
    for measured in (card.train, card.held_out):
        assert measured.round_trip.exact and measured.unknown_tokens == 0
    assert card.train.tokens == len(tokenizer.encode(STORY))
    assert card.train.characters_per_token == len(STORY) / card.train.tokens
    lengths = [len(piece) for piece in card.longest_pieces]
    assert lengths == sorted(lengths, reverse=True)
    uses = [use for _, use in card.most_frequent_pieces]
    assert uses == sorted(uses, reverse=True)
    assert card.training is not None and card.training.fed == len(STORY.replace("\n", ""))


def test_card_of_nothing_and_of_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    from modou.tokenizer import card as tokenizer_card

    tokenizer = trained()
    assert make_card(tokenizer, [], []).train.characters_per_token is None
    monkeypatch.setattr(tokenizer_card, "MOST_CHARACTERS", 100)
    assert make_card(tokenizer, (STORY[:60] for _ in count())).train.characters == 120


@pytest.mark.parametrize(("kind", "vocabulary"), [("bpe", 4096), ("char", 8000)])
def test_the_whole_novel_comes_back(shuihu_path: Path, kind: TokenizerKind, vocabulary: int) -> None:
    novel = shuihu_path.read_text(encoding="utf-8-sig")
    train = make_card(trained(novel, kind, vocabulary), [novel]).train
    assert train.round_trip.exact and train.unknown_tokens == 0
    assert train.byte_fallback < 0.01
    if kind == "char":
        assert train.tokens == len(novel)


@pytest.mark.parametrize(
    "content",
    ["{}", "5", "[5, 99999]", '["x"]', "[-1]", "[1.5]", "[true]", "[" * 5000, "[" + "9" * 5000 + "]", "x", ""],
)
def test_a_list_of_unseen_ids_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    tokenizer = SentencePieceTokenizer.train(
        ["小船过了石桥，灯笼还亮着。\n" * 20], TokenizerSettings(vocabulary=300, threads=1)
    )
    tokenizer.save(tmp_path)
    assert load_tokenizer(tmp_path).unseen == frozenset()
    (tmp_path / "unseen.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"unseen\.json"):
        load_tokenizer(tmp_path)


def test_a_model_of_a_terabyte_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").touch()
    os.truncate(tmp_path / "tokenizer.model", 2**40)
    with pytest.raises(UserError, match="is too large"):
        load_tokenizer(tmp_path)
