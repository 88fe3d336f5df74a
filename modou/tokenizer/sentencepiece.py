"""The tokenizers that modou trains: SentencePiece with byte fallback (Kudo & Richardson 2018)."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Self

from modou.messages import UserError
from modou.settings.text import TokenizerSettings
from modou.tokenizer.model import open_model, with_controls
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import CONTROLS, NEWLINE, SPACE, Training, train_model

FILE_NAME = "tokenizer.model"
_BLOCK = 1 << 16
"""Characters per call of SentencePiece, whose memory grows with its input."""


class SentencePieceTokenizer(Tokenizer):
    """See Tokenizer and the module's docstring."""

    unk, bos, eos, pad = 0, 1, 2, 3

    def __init__(
        self,
        model: bytes,
        training: Training | None = None,
        source: str = "the model",
        unseen: Iterable[int] = (),
    ) -> None:
        """`model`: a serialised SentencePiece model. UserError names `source`: damaged, or lacks a piece."""
        self.model = model
        self._processor = open_model(model)
        if self._processor is None:
            raise UserError("tokens.model_damaged", path=source)
        pieces = [self._processor.id_to_piece(i) for i in range(self._processor.get_piece_size())]
        self._ids = {piece: i for i, piece in enumerate(pieces)}
        self._require_special_pieces(source)
        super().__init__({FILE_NAME: model}, pieces, unseen, source, training)
        self._literal_space = [self._ids[f"<0x{byte:02X}>"] for byte in SPACE.encode()]

    def _require_special_pieces(self, source: str) -> None:
        wanted = {"<unk>": 0, "<s>": 1, "</s>": 2, "<pad>": 3}
        for name in (*wanted, NEWLINE, SPACE, *(f"<0x{byte:02X}>" for byte in range(256))):
            found = self._ids.get(name)
            if found is None or found != wanted.get(name, found):
                raise UserError("tokens.model_foreign", path=source, missing=repr(name))
        for name in CONTROLS:
            if name in self._ids and not self.is_control(self._ids[name]):
                raise UserError("tokens.control_is_text", path=source, token=name)

    def _bytes_of(self, token: int) -> bytes:
        processor = self._processor
        assert processor is not None
        if processor.is_control(token) or processor.is_unknown(token):
            return b""
        if processor.is_byte(token):
            return bytes([int(self._pieces[token][3:5], 16)])
        return self._pieces[token].replace(SPACE, " ").encode()

    @classmethod
    def train(cls, texts: Iterable[str], settings: TokenizerSettings) -> Self:
        """Train a tokenizer on `texts` (on an even sample of a large corpus; see `training`).

        UserError: no text, or SentencePiece refuses.
        """
        model, training = train_model(texts, settings)
        return cls(model, training)

    def extended(self) -> Self:
        """See Tokenizer."""
        if not self.lacking:
            return self
        new = range(self.vocabulary, self.vocabulary + len(self.lacking))
        return type(self)(with_controls(self.model), self.training, self.source, self.unseen.union(new))

    def with_unseen(self, ids: Iterable[int]) -> Self:
        """See Tokenizer."""
        return type(self)(self.model, self.training, self.source, ids)

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes get the model's bytes.
        return type(self), (self.model, self.training, self.source, self.unseen)

    def encode_parts(self, text: str) -> Iterator[list[int]]:
        """See Tokenizer."""
        assert self._processor is not None
        # SentencePiece cannot tell a literal U+2581 from a space: encode it as its three byte pieces.
        for number, stretch in enumerate(self.normalise(text).split(SPACE)):
            if number:
                yield self._literal_space
            for block in self._blocks(stretch):
                yield self._processor.encode(block, num_threads=1)

    def _blocks(self, text: str) -> Iterator[str]:
        """Cut `text` into blocks, only between characters that are adjacent in no piece: the ids stay the same."""
        start = 0
        while len(text) - start > _BLOCK:
            cut = start + _BLOCK
            while cut < min(start + 2 * _BLOCK, len(text)) and text[cut - 1 : cut + 1] in self._neighbours:
                cut += 1
            yield text[start:cut]
            start = cut
        yield text[start:]

    @cached_property
    def _neighbours(self) -> frozenset[str]:
        """All pairs of adjacent characters within pieces."""
        words = (piece.decode() for i, piece in enumerate(self.piece_bytes) if not self.is_byte(i))
        return frozenset(word[i : i + 2] for word in words for i in range(len(word) - 1))

    def piece(self, token: int) -> str:
        """See Tokenizer; also the bytes below 0x80 are named `<0x41>`."""
        return self._pieces[token].replace(SPACE, "␣").replace(NEWLINE, "⏎")

    def score(self, token: int) -> float:
        """SentencePiece's score of a piece (merge order for bpe, log-probability for unigram)."""
        assert self._processor is not None
        return float(self._processor.get_score(token))

    def is_byte(self, token: int) -> bool:
        """See Tokenizer: one of the 256 byte pieces."""
        assert self._processor is not None
        return bool(self._processor.is_byte(token))

    def is_control(self, token: int) -> bool:
        """See Tokenizer."""
        assert self._processor is not None
        return bool(self._processor.is_control(token))
