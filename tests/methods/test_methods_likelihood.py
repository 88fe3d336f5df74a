"""Bits per character: texts do not depend on their neighbours; excerpts say something, however short the texts."""

import math

import pytest
import torch
from closeness import EXACT
from foreign_helpers import STORY, foreign
from hypothesis import given
from hypothesis import strategies as st
from model_helpers import SHAPES, random_model
from train_helpers import sentences, tokenizer

from modou.messages import UserError
from modou.methods.likelihood import SHORTEST, bits_per_character, characters_of_tokens, excerpts


@given(st.lists(st.integers(1, 900), min_size=1, max_size=80), st.integers(1, 5000))
def test_excerpts_are_about_as_long_as_asked(lengths: list[int], characters: int) -> None:
    texts = [chr(97 + number % 26) * length for number, length in enumerate(lengths)]
    found = excerpts(texts, characters)
    assert found and all(any(text.startswith(one) for text in texts) for one in found)
    total, whole = sum(map(len, found)), sum(lengths)
    assert total <= max(2 * characters + SHORTEST, SHORTEST * 2)
    if len(texts) == 1:
        assert total == min(whole, max(SHORTEST, characters))


def test_excerpts_of_many_short_texts_are_whole_texts() -> None:
    texts = ["春" * 60] * 1500
    found = excerpts(texts, 6000)
    assert set(found) == {texts[0]} and 5400 <= sum(map(len, found)) <= 6600


def test_excerpts_of_chapters_are_the_beginning_of_each() -> None:
    assert [len(text) for text in excerpts(["山" * 5000] * 8, 6000)] == [750] * 8


def test_newlines_are_no_characters_and_all_else_is() -> None:
    own, other = tokenizer(), foreign("whole")
    lengths = [own.characters(id) for id in range(own.vocabulary)]
    for newline in (*own.encode("\n"), own.pieces().index("<0x0A>")):  # which no text is encoded as
        assert lengths[newline] == 1
        lengths[newline] = 0
    assert characters_of_tokens(own).tolist() == lengths
    pieces = [other.piece_bytes[id] for id in other.encode(STORY)]
    assert any(b"\n" in piece and piece.strip() for piece in pieces), "no single id stands for the newline there"
    assert characters_of_tokens(other)[other.encode(STORY)].sum() == len(STORY.replace("\n", ""))


@torch.no_grad()
def test_a_text_costs_the_same_beside_others() -> None:
    model = random_model(SHAPES["modern"].changed(vocabulary=tokenizer().vocabulary)).double()
    texts = [sentences(3, 5), "春", sentences(1, 6)]
    together = bits_per_character(model, tokenizer(), texts)
    alone = [bits_per_character(model, tokenizer(), [text]) for text in texts]
    spent = sum(one.bits for one in alone)
    assert math.isclose(together.bits, spent, rel_tol=EXACT)
    assert together.characters == sum(one.characters for one in alone)
    with pytest.raises(UserError):
        bits_per_character(model, tokenizer(), ["\n"])
