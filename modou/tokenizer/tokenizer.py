"""Lossless encoding of text as token ids: SentencePiece with byte fallback (Kudo & Richardson 2018)."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, Strict

from modou.messages import UserError
from modou.settings.text import TokenizerSettings
from modou.storage import (
    is_missing,
    parse_form,
    read_bytes,
    read_json,
    user_errors,
    without_surrogates,
    write_bytes_atomically,
    write_json_atomically,
)
from modou.tokenizer.model import open_model, with_controls
from modou.tokenizer.stream import StreamDecoder
from modou.tokenizer.training import CONTROLS, NEWLINE, SPACE, Training, train_model

FILE_NAME = "tokenizer.model"
UNSEEN_NAME = "unseen.json"
"""Ids that occur in no training text."""
_BLOCK = 1 << 16
"""Characters per call of SentencePiece, whose memory grows with its input."""


class Tokenizer:
    """A SentencePiece tokenizer with decode(encode(text)) == text for every text (lone surrogates become U+FFFD).

    No text is encoded as a control token: user input cannot forge the end of a turn.
    """

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
        self.training = training
        self.unseen = frozenset(unseen)
        """Ids that occur in no training text; empty if unknown. They are never sampled: each is very improbable, but
        there are hundreds (most byte pieces), and a single one spoils a text."""
        self.sha256 = hashlib.sha256(model).hexdigest()
        self._processor = open_model(model)
        if self._processor is None:
            raise UserError("tokens.model_damaged", path=source)
        self.vocabulary: int = self._processor.get_piece_size()
        self._pieces: list[str] = [self._processor.id_to_piece(i) for i in range(self.vocabulary)]
        self._ids = {piece: i for i, piece in enumerate(self._pieces)}
        self._require_special_pieces(source)
        self.newline = self._ids[NEWLINE]
        self.controls = {name.strip("<|>"): self._ids[name] for name in CONTROLS}
        """Ids of "system", "user", "assistant", "end"."""
        self.system, self.user, self.assistant, self.end = self.controls.values()
        self.piece_bytes: tuple[bytes, ...] = tuple(self._bytes_of(i) for i in range(self.vocabulary))
        """The UTF-8 bytes of each id (empty for unk, bos, eos, pad and the control tokens)."""
        self._literal_space = [self._ids[f"<0x{byte:02X}>"] for byte in SPACE.encode()]

    def _require_special_pieces(self, source: str) -> None:
        wanted = {"<unk>": 0, "<s>": 1, "</s>": 2, "<pad>": 3}
        for name in (*wanted, NEWLINE, SPACE, *(f"<0x{byte:02X}>" for byte in range(256))):
            found = self._ids.get(name)
            if found is None or found != wanted.get(name, found):
                raise UserError("tokens.model_foreign", path=source, missing=repr(name))
        for name in CONTROLS:
            if name not in self._ids:
                raise UserError("tokens.control_missing", path=source, token=name)
            if not self.is_control(self._ids[name]):
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

    @classmethod
    def load(cls, folder: Path, extend: bool = False) -> Self:
        """Load the tokenizer saved in `folder`. `extend`: add the control tokens that it lacks.

        UserError: missing, damaged, or lacks tokens that modou needs.
        """
        path = folder / FILE_NAME
        try:
            model = read_bytes(path)
        except UserError as error:
            raise UserError("tokens.model_missing", path=path) if is_missing(error) else error from None
        unseen = _unseen(folder / UNSEEN_NAME)
        return cls(with_controls(model) if extend else model, source=str(path), unseen=unseen)

    def save(self, folder: Path) -> None:
        """Write tokenizer.model and unseen.json atomically. UserError: disk full, no permission."""
        with user_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_bytes_atomically(folder / FILE_NAME, self.model)
        if self.unseen:
            write_json_atomically(folder / UNSEEN_NAME, sorted(self.unseen))
        else:
            (folder / UNSEEN_NAME).unlink(missing_ok=True)

    def with_seen(self, ids: Iterable[int]) -> Self:
        """A copy without `ids` in `unseen`, for a model that is trained on them."""
        return type(self)(self.model, self.training, unseen=self.unseen.difference(ids))

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes get the model's bytes.
        return type(self), (self.model, self.training, "the model", self.unseen)

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; no bos or eos is added."""
        return list(chain.from_iterable(self.encode_parts(text)))

    def encode_parts(self, text: str) -> Iterator[list[int]]:
        """Yield the ids of `encode` in parts, in bounded memory."""
        assert self._processor is not None
        # SentencePiece cannot tell a literal U+2581 from a space: encode it as its three byte pieces.
        for number, stretch in enumerate(without_surrogates(text).split(SPACE)):
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

    @cached_property
    def spaced(self) -> tuple[int, ...]:
        """The ids that begin with a space and occur in the training text; none where only the space itself does."""
        found = [i for i, piece in enumerate(self.piece_bytes) if piece[:1] == b" " and i not in self.unseen]
        return tuple(found) if any(len(self.piece_bytes[i]) > 1 for i in found) else ()

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of `tokens`. Control tokens are skipped; invalid UTF-8 becomes U+FFFD.

        IndexError: no such id.
        """
        ids = list(tokens)
        if ids and min(ids) < 0:
            raise IndexError(min(ids))
        return b"".join([self.piece_bytes[i] for i in ids]).decode(errors="replace")

    def stream(self) -> StreamDecoder:
        """A decoder that takes one id at a time."""
        return StreamDecoder(self.piece_bytes)

    def piece(self, token: int) -> str:
        """A readable name: the text itself, with ␣ for a space and ⏎ for the newline; `<0xE4>` for a byte."""
        return self._pieces[token].replace(SPACE, "␣").replace(NEWLINE, "⏎")

    def pieces(self) -> list[str]:
        """The raw SentencePiece names of all ids (▁ is a space)."""
        return list(self._pieces)

    def score(self, token: int) -> float:
        """SentencePiece's score of a piece (merge order for bpe, log-probability for unigram)."""
        assert self._processor is not None
        return float(self._processor.get_score(token))

    def is_byte(self, token: int) -> bool:
        """Whether this id is one of the 256 byte pieces."""
        assert self._processor is not None
        return bool(self._processor.is_byte(token))

    def is_control(self, token: int) -> bool:
        """Whether this id is bos, eos, pad or a token of CONTROLS: never produced from text."""
        assert self._processor is not None
        return bool(self._processor.is_control(token))

    def characters(self, token: int) -> int:
        """Number of characters that begin in this id: a piece's length, 0 for control tokens, 0 or 1 for a byte."""
        data = self.piece_bytes[token]
        return sum(byte & 0xC0 != 0x80 for byte in data)


def _unseen(path: Path) -> list[int]:
    """Read the ids of an unseen.json; none if there is no file. UserError: not a list of ids."""
    if not path.exists():
        return []
    try:
        return parse_form(list[Annotated[int, Strict(), Field(ge=0)]], read_json(path))
    except UserError:
        raise
    except ValueError:
        raise UserError("storage.bad_json", path=path, reason="[id, …]") from None
