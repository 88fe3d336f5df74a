"""The interface of a tokenizer, and what its kinds share: lossless encoding of text as token ids."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from modou.storage import user_errors, without_surrogates, write_bytes_atomically, write_json_atomically
from modou.tokenizer.stream import StreamDecoder
from modou.tokenizer.training import CONTROLS, Training

UNSEEN_NAME = "unseen.json"
"""Ids that occur in no training text."""
_SHOWN = {0xDC00 + byte: f"<0x{byte:02X}>" for byte in range(0x80, 0x100)} | {ord(" "): "␣", ord("\n"): "⏎"}
"""How a readable name shows a byte that is no whole character, and white space."""


class Tokenizer(ABC):
    """A tokenizer with decode(encode(text)) == normalise(text) for every text.

    No text is encoded as a control token: user input cannot forge the end of a turn.
    """

    bos: int
    """Begins a document."""
    eos: int
    """Ends a document."""
    pad: int
    """Fills rows; nothing is ever learned from it."""
    unk: int | None
    """Stands for what has no token; no text is encoded as it."""
    begins: bool = True
    """Whether a prompt begins with bos, as documents do. Models of others may have seen most texts without."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        pieces: Sequence[str],
        unseen: Iterable[int],
        source: str,
        training: Training | None = None,
    ) -> None:
        """`files`: names and contents in a folder, which define the tokenizer. `pieces`: the raw name of every id,
        empty for an id without a token. `source`: what messages call it."""
        self.files = files
        self.source = source
        self.training = training
        """How it was trained; None if unknown."""
        self.sha256 = hashlib.sha256(b"".join(files.values())).hexdigest()
        """Of the files."""
        self.unseen = frozenset(unseen)
        """Ids that occur in no training text; empty if unknown. They are never sampled: each is very improbable, but
        there are hundreds (most byte pieces), and a single one spoils a text."""
        self.vocabulary = len(pieces)
        """Number of ids, those without a token included: the rows of the model's embedding."""
        self._pieces = pieces
        ids = {piece: id for id, piece in enumerate(pieces)}
        self.lacking = tuple(name for name in CONTROLS if name not in ids)
        """The control tokens that are no ids of it, which `extended` adds."""
        self.controls = {
            name.strip("<|>"): ids[name] for name in CONTROLS if name in ids and self.is_control(ids[name])
        }
        """Ids of "system", "user", "assistant", "end", as far as it has them; see `extended`."""
        self.piece_bytes: tuple[bytes, ...] = tuple(self._bytes_of(id) for id in range(self.vocabulary))
        """The UTF-8 bytes of each id; empty for the control tokens and for an id without a token."""

    @property
    def end(self) -> int:
        """The control token that ends a turn."""
        return self.controls["end"]

    @property
    def assistant(self) -> int:
        """The control token that begins an answer."""
        return self.controls["assistant"]

    @abstractmethod
    def is_byte(self, token: int) -> bool:
        """Whether this id holds a single byte instead of a character."""

    @abstractmethod
    def is_control(self, token: int) -> bool:
        """Whether this id is bos, eos, pad, a token of CONTROLS or another special one: never produced from text."""

    @abstractmethod
    def encode_parts(self, text: str) -> Iterator[list[int]]:
        """Yield the ids of `encode` in parts, in bounded memory where the kind allows it."""

    @abstractmethod
    def extended(self) -> Self:
        """A tokenizer with all control tokens of a conversation: itself, or a copy with those that it lacks as new ids,
        which are `unseen`. Other ids and the encoding of every text stay."""

    @abstractmethod
    def with_unseen(self, ids: Iterable[int]) -> Self:
        """A copy with these ids as `unseen`."""

    @abstractmethod
    def _bytes_of(self, token: int) -> bytes:
        """See `piece_bytes`."""

    def with_seen(self, ids: Iterable[int]) -> Self:
        """A copy without `ids` in `unseen`, for a model that is trained on them."""
        return self.with_unseen(self.unseen.difference(ids))

    def save(self, folder: Path) -> None:
        """Write its files and unseen.json atomically. UserError: disk full, no permission."""
        with user_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            write_bytes_atomically(folder / name, content)
        if self.unseen:
            write_json_atomically(folder / UNSEEN_NAME, sorted(self.unseen))
        else:
            (folder / UNSEEN_NAME).unlink(missing_ok=True)

    def normalise(self, text: str) -> str:
        """`text` as the tokenizer sees it: lone surrogates become U+FFFD. Some kinds do more, such as Unicode's NFC."""
        return without_surrogates(text)

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; no bos or eos is added."""
        return list(chain.from_iterable(self.encode_parts(text)))

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
        """A readable name: the text itself, with ␣ for a space and ⏎ for a newline; `<0xE4>` for a byte that is no
        whole character."""
        data = self.piece_bytes[token]
        if not data:
            return self._pieces[token]
        return data.decode(errors="surrogateescape").translate(_SHOWN)

    def pieces(self) -> list[str]:
        """The raw names of all ids, as the library of its kind calls them; empty for an id without a token."""
        return list(self._pieces)

    def characters(self, token: int) -> int:
        """Number of characters that begin in this id: a piece's length, 0 for control tokens, 0 or 1 for a byte."""
        data = self.piece_bytes[token]
        return sum(byte & 0xC0 != 0x80 for byte in data)

    @cached_property
    def newlines(self) -> NDArray[np.int64]:
        """(V,) number of newlines in each id."""
        return np.array([data.count(b"\n") for data in self.piece_bytes], np.int64)

    @cached_property
    def spaced(self) -> tuple[int, ...]:
        """The ids that begin with a space and occur in the training text; none where only the space itself does."""
        found = [i for i, piece in enumerate(self.piece_bytes) if piece[:1] == b" " and i not in self.unseen]
        return tuple(found) if any(len(self.piece_bytes[i]) > 1 for i in found) else ()
