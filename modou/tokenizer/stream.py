"""Decode token ids to text one at a time, complete characters only."""

import codecs
from collections.abc import Sequence


class StreamDecoder:
    """An incremental decoder: the joined results of push() and end() equal Tokenizer.decode of all ids.

    A character of several byte pieces is returned with the last of them; invalid UTF-8 becomes U+FFFD.
    """

    def __init__(self, piece_bytes: Sequence[bytes]) -> None:
        self._piece_bytes = piece_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """Add an id and return the text that it completes. IndexError: no such id."""
        if token < 0:
            raise IndexError(token)
        return self._decoder.decode(self._piece_bytes[token])

    def end(self) -> str:
        """Return the rest (U+FFFD for an incomplete character) and reset the decoder."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest
