"""The bytes of a SentencePiece model: opened, and given the marks of a conversation where it lacks them."""

import struct

import sentencepiece

from modou.tokenizer.training import CONTROLS


def open_model(model: bytes) -> sentencepiece.SentencePieceProcessor | None:
    """The model, ready for use; None where these bytes are none."""
    try:
        # An empty model is accepted by SentencePiece and fails only at the first use.
        return sentencepiece.SentencePieceProcessor(model_proto=model) if model else None
    except (RuntimeError, ValueError):
        return None


def with_marks(model: bytes) -> bytes:
    """The model with each mark it lacks behind its other pieces, as a control symbol: no text is ever encoded as one.
    All ids stay what they are, and every text is encoded as before.

    Same model, same bytes; one that lacks none (or is damaged) comes back as it is.
    """
    processor = open_model(model)
    if processor is None:
        return model
    known = {processor.id_to_piece(i) for i in range(processor.get_piece_size())}
    return model + b"".join(_control_piece(name) for name in CONTROLS if name not in known)


def _control_piece(name: str) -> bytes:
    """A piece as sentencepiece_model.proto writes it: field 1 of the model, which may stand anywhere and any number of
    times. Its own fields: 1 the name, 2 the score (the trainer gives control symbols 0), 3 the type (3 = control)."""
    word = name.encode()
    piece = b"\x0a" + bytes([len(word)]) + word + b"\x15" + struct.pack("<f", 0.0) + b"\x18\x03"
    assert len(piece) < 128, "a longer one would need a longer length"
    return b"\x0a" + bytes([len(piece)]) + piece
