"""The tokenizer's card: compression, byte fallback, pieces, and a check of the round trip by hash."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import Training

MOST_CHARACTERS = 20_000_000
"""Maximum number of characters measured, of training and of held-out texts."""
LISTED = 20


@dataclass(frozen=True)
class RoundTrip:
    """Comparison of a text with the decoded tokens of it."""

    exact: bool
    """Whether they are equal."""
    text_sha256: str
    """SHA-256 of the text, as the tokenizer normalises it."""
    decoded_sha256: str
    """SHA-256 of the decoded text."""


@dataclass(frozen=True)
class EncodedTexts:
    """Statistics of an encoded text."""

    characters: int
    """Characters measured."""
    complete: bool
    """Whether the whole text was measured, not only its beginning."""
    tokens: int
    """Number of tokens."""
    characters_per_token: float | None
    """Characters ÷ tokens; null if there is no text."""
    distinct_characters: int
    """Number of distinct characters."""
    distinct_characters_with_own_piece: int
    """Number of distinct characters with a piece of their own."""
    byte_fallback: float
    """Share of characters encoded as byte pieces."""
    unknown_tokens: int
    """Number of tokens that are unk."""
    pieces_used: int
    """Number of pieces of the vocabulary that occur."""
    round_trip: RoundTrip
    """Check that decoding restores the text exactly."""


@dataclass(frozen=True)
class Card:
    """Description and statistics of a tokenizer."""

    vocabulary: int
    """Vocabulary size."""
    sha256: str
    """SHA-256 of the model."""
    training: Training | None
    """How it was trained; null if unknown."""
    train: EncodedTexts
    """Statistics on the training text."""
    held_out: EncodedTexts
    """Statistics on the test text."""
    longest_pieces: list[str]
    """The longest pieces."""
    most_frequent_pieces: list[tuple[str, int]]
    """The most frequent pieces in the training text, with their counts."""


class _Measure:
    """Counts over a stream of texts, in one pass; memory for one text and one number per piece."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.uses = np.zeros(tokenizer.vocabulary, dtype=np.int64)
        self.characters: Counter[str] = Counter()
        self.length = 0
        self.complete = True
        self.given = hashlib.sha256()
        self.decoded = hashlib.sha256()

    def add(self, texts: Iterable[str]) -> Self:
        for text in texts:
            if self.length >= MOST_CHARACTERS:
                self.complete = False
                break
            text = self.tokenizer.normalise(text)
            tokens = self.tokenizer.encode(text)
            self.length += len(text)
            self.characters.update(text)
            self.uses += np.bincount(tokens, minlength=self.tokenizer.vocabulary)
            self.given.update(text.encode())
            self.decoded.update(self.tokenizer.decode(tokens).encode())
        return self

    def summary(self) -> EncodedTexts:
        """Statistics of all texts added so far."""
        tokenizer = self.tokenizer
        pieces = {data for i, data in enumerate(tokenizer.piece_bytes) if not tokenizer.is_byte(i)}
        own = {character for character in self.characters if character.encode() in pieces}
        spelled = sum(count for character, count in self.characters.items() if character not in own)
        tokens = int(self.uses.sum())
        given, decoded = self.given.hexdigest(), self.decoded.hexdigest()
        return EncodedTexts(
            characters=self.length,
            complete=self.complete,
            tokens=tokens,
            characters_per_token=self.length / tokens if tokens else None,
            distinct_characters=len(self.characters),
            distinct_characters_with_own_piece=len(own),
            byte_fallback=spelled / self.length if self.length else 0.0,
            unknown_tokens=0 if tokenizer.unk is None else int(self.uses[tokenizer.unk]),
            pieces_used=int((self.uses > 0).sum()),
            round_trip=RoundTrip(given == decoded, given, decoded),
        )


def make_card(tokenizer: Tokenizer, train: Iterable[str], held_out: Iterable[str] = ()) -> Card:
    """Measure a tokenizer on its training texts and on held-out texts.

    Only the first MOST_CHARACTERS of each are measured (`complete` is then false).
    """
    measured = _Measure(tokenizer).add(train)
    pieces = [i for i in range(tokenizer.vocabulary) if tokenizer.piece_bytes[i] and not tokenizer.is_byte(i)]
    longest = sorted(pieces, key=lambda i: (-tokenizer.characters(i), i))[:LISTED]
    used = [int(i) for i in np.argsort(-measured.uses, kind="stable")[:LISTED] if measured.uses[i] > 0]
    return Card(
        vocabulary=tokenizer.vocabulary,
        sha256=tokenizer.sha256,
        training=tokenizer.training,
        train=measured.summary(),
        held_out=_Measure(tokenizer).add(held_out).summary(),
        longest_pieces=[tokenizer.piece(i) for i in longest],
        most_frequent_pieces=[(tokenizer.piece(i), int(measured.uses[i])) for i in used],
    )
