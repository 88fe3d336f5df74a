"""Open a serialised SentencePiece model; add missing control tokens to one."""

import struct

import sentencepiece

from modou.tokenizer.training import CONTROLS


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
