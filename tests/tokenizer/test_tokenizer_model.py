"""Marks given to a SentencePiece model that was trained without them: control symbols behind what stays as it was."""

from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from modou.data.conversation import Template
from modou.messages import UserError
from modou.settings.text import TokenizerKind, TokenizerSettings
from modou.tokenizer import model as tokenizer_model
from modou.tokenizer import training as tokenizer_training
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.model import open_model, with_controls
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.training import CONTROLS, train_model

STORY = "\n".join(
    f"第{i}日，小魔豆长高了{i * 7 % 13}寸。The user said <|user|> and that was the end." for i in range(60)
)


def trained(kind: TokenizerKind = "bpe", marks: tuple[str, ...] = ()) -> bytes:
    """A model that reserves `marks` only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer_training, "CONTROLS", marks)
        return train_model([STORY], TokenizerSettings(kind=kind, vocabulary=360, threads=1))[0]


def opened(model: bytes) -> sentencepiece.SentencePieceProcessor:
    processor = open_model(model)
    assert processor is not None
    return processor


def pieces(model: bytes) -> list[tuple[str, float, bool, bool]]:
    """Name, score, whether control, whether a byte, of every id."""
    one = opened(model)
    return [
        (one.id_to_piece(i), one.get_score(i), one.is_control(i), one.is_byte(i)) for i in range(one.get_piece_size())
    ]


@pytest.fixture(scope="module", params=["bpe", "unigram", "char"])
def markless(request: pytest.FixtureRequest) -> bytes:
    return trained(request.param)


def test_the_marks_come_last_and_all_else_stays(markless: bytes) -> None:
    before, after = pieces(markless), pieces(with_controls(markless))
    assert after[: len(before)] == before
    assert after[len(before) :] == [(name, 0.0, True, False) for name in CONTROLS]
    tokenizer = SentencePieceTokenizer(with_controls(markless))
    assert list(tokenizer.controls.values()) == [len(before) + i for i in range(4)]
    assert tokenizer.decode(tokenizer.controls.values()) == ""


@settings(max_examples=300, deadline=None)
@given(text=st.text() | st.text(alphabet="▁ \n\t\0豆魔<|>suer/endasitym") | st.sampled_from((*CONTROLS, STORY)))
def test_every_text_is_encoded_as_before(markless: bytes, text: str) -> None:
    extended = with_controls(markless)
    tokens = opened(extended).encode(text)
    assert tokens == opened(markless).encode(text)
    tokenizer = SentencePieceTokenizer(extended)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert not any(tokenizer.is_control(token) for token in (*tokens, *tokenizer.encode(text)))


@pytest.mark.parametrize("kind", ["bpe", "unigram", "char"])
def test_it_is_what_the_trainer_writes(kind: TokenizerKind) -> None:
    reserved = {piece[0]: piece for piece in pieces(trained(kind, CONTROLS))}
    assert [reserved[name] for name in CONTROLS] == pieces(with_controls(trained(kind)))[-4:]


def test_only_what_is_lacking_is_added() -> None:
    some = trained(marks=("<|user|>", "<|end|>"))
    assert [name for name, *_ in pieces(with_controls(some))[-2:]] == ["<|system|>", "<|assistant|>"]
    assert len(pieces(with_controls(some))) == len(pieces(some)) + 2
    for whole in (trained(marks=CONTROLS), with_controls(some), b"", b"no model"):
        assert with_controls(whole) == whole


def test_a_tokenizer_without_marks_has_no_template_until_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(trained())
    markless = load_tokenizer(tmp_path)
    assert markless.lacking == CONTROLS and markless.encode(STORY)
    with pytest.raises(UserError, match=r"<\|system\|>.*modou sft"):
        Template(markless)
    extended = load_tokenizer(tmp_path, extend=True)
    assert extended.files == {path.name: with_controls(trained())}
    assert extended.unseen == set(extended.controls.values()), "they were in no training text"
    assert Template(extended).ends == {extended.end, extended.eos}
    assert path.read_bytes() == trained()
    path.write_bytes(b"no model")
    with pytest.raises(UserError, match="not a valid tokenizer"):
        load_tokenizer(tmp_path, extend=True)


def test_a_mark_that_text_can_write_is_refused() -> None:
    control = tokenizer_model._control_piece("<|user|>")
    written_by_text = trained() + control[:-1] + b"\x04"  # user defined
    assert opened(written_by_text).encode("<|user|>")[-1] == len(pieces(written_by_text)) - 1
    with pytest.raises(UserError, match=r"<\|user\|> is an ordinary token"):
        SentencePieceTokenizer(with_controls(written_by_text))
