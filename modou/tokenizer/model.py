"""Open a serialised SentencePiece model; add missing control tokens to one; read its algorithm."""

import struct
from collections.abc import Iterator

import sentencepiece

from modou.settings.text import TokenizerKind
from modou.tokenizer.training import CONTROLS

_TRAINER = 2
"""Field of the model: how it was trained."""
_ALGORITHM = 3
"""Field of that: the algorithm, a number."""
_KINDS: dict[int, TokenizerKind] = {1: "unigram", 2: "bpe", 4: "char"}


def open_model(model: bytes) -> sentencepiece.SentencePieceProcessor | None:
    """Open a serialised model; None if the bytes are not one."""
    try:
        # An empty model is accepted by SentencePiece and fails only at the first use.
        return sentencepiece.SentencePieceProcessor(model_proto=model) if model else None
    except (RuntimeError, ValueError):
        return None


def with_controls(model: bytes) -> bytes:
    """Append the control tokens of CONTROLS that the model lacks. Existing ids and the encoding of every text stay.

    Deterministic. A model that lacks none, or is damaged, is returned unchanged.
    """
    processor = open_model(model)
    if processor is None:
        return model
    known = {processor.id_to_piece(i) for i in range(processor.get_piece_size())}
    return model + b"".join(_control_piece(name) for name in CONTROLS if name not in known)


def _control_piece(name: str) -> bytes:
    """A piece in the wire format of sentencepiece_model.proto: field 1 of the model, repeated, at any place in it.

    Fields of the piece: 1 = name, 2 = score (0 for control symbols), 3 = type (3 = control).
    """
    word = name.encode()
    piece = b"\x0a" + bytes([len(word)]) + word + b"\x15" + struct.pack("<f", 0.0) + b"\x18\x03"
    assert len(piece) < 128, "its length fits one byte"
    return b"\x0a" + bytes([len(piece)]) + piece


def model_kind(model: bytes) -> TokenizerKind:
    """The algorithm of a serialised model. KeyError: one that modou does not train."""
    trainer = b"".join(value for field, value in _fields(model) if field == _TRAINER and isinstance(value, bytes))
    named = (value for field, value in _fields(trainer) if field == _ALGORITHM and isinstance(value, int))
    return _KINDS[next(named, 1)]  # 1 is left out


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Number and value of the fields of a message in protobuf's wire format."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while place < len(data):
        field, wire = divmod(varint(), 8)
        if wire == 0:
            yield field, varint()
            continue
        size = varint() if wire == 2 else {1: 8, 5: 4}[wire]
        yield field, data[place : place + size]
        place += size
