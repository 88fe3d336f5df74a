"""Token ids to text, one at a time, without ever showing half a character."""

import codecs
from collections.abc import Sequence


class StreamDecoder:
    """Decodes ids as they come: all that push() and end() return, joined, is what Tokenizer.decode gives.

    A character of several byte pieces comes out with its last byte; bytes that are no UTF-8 as U+FFFD.
    """

    def __init__(self, piece_bytes: Sequence[bytes]) -> None:
        self._piece_bytes = piece_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """The text that is complete now. IndexError: no such id."""
        if token < 0:
            raise IndexError(token)
        return self._decoder.decode(self._piece_bytes[token])

    def end(self) -> str:
        """What was held back (an unfinished character becomes U+FFFD). Afterwards the decoder is fresh."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest
