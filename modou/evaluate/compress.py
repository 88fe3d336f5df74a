"""Bits per character of xz given the training text: 8 · (|Z(train test)| − |Z(train)|) / C, |Z| in bytes, C characters.

xz at its strongest preset, with a dictionary as long as the text. Source: Delétang et al., Language Modeling Is
Compression, 2023.
"""

import lzma
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from modou.messages import UserError

# The result depends on the encoding of Chinese: the best one is reported.
ENCODINGS = ("utf-8", "gb18030", "utf-16-le")
END_MARK = "\0"
LEAST_DICTIONARY, LARGEST_DICTIONARY = 1 << 16, 1 << 28


@dataclass(frozen=True)
class Compressed:
    """Bits that the held-out text adds to the compressed training text, in the best encoding."""

    bits: int
    characters: int
    encoding: str
    bits_by_encoding: dict[str, int]

    @property
    def value(self) -> float:
        """Bits per character; newlines and end marks cost bits, newlines are not counted as characters."""
        return self.bits / self.characters

    def to_json(self) -> dict[str, Any]:
        return {
            "bits_per_char": self.value,
            "characters": self.characters,
            "encoding": self.encoding,
            "by_encoding": {name: bits / self.characters for name, bits in self.bits_by_encoding.items()},
        }


def conditional_xz(train: Sequence[str], test: Sequence[str]) -> Compressed:
    """Compresses `test` given `train`. UserError: `test` holds no character."""
    characters = sum(len(text) - text.count("\n") for text in test)
    if characters == 0:
        raise UserError("evaluate.nothing_to_score")
    known = "".join(text + END_MARK for text in train)
    both = known + "".join(text + END_MARK for text in test)
    with ThreadPoolExecutor(max_workers=2) as pool:
        without = pool.map(xz_bytes, [known] * len(ENCODINGS), ENCODINGS)
        along = pool.map(xz_bytes, [both] * len(ENCODINGS), ENCODINGS)
        bits = {name: 8 * (b - a) for name, a, b in zip(ENCODINGS, without, along, strict=True)}
    best = min(bits, key=lambda name: bits[name])
    return Compressed(bits[best], characters, best, bits)


def xz_bytes(text: str, encoding: str) -> int:
    """Length in bytes of `text` compressed with LZMA2, without a container."""
    # A lone surrogate (from a broken file) cannot be encoded: it becomes "?".
    data = text.encode(encoding, "replace")
    dictionary = min(max(len(data), LEAST_DICTIONARY), LARGEST_DICTIONARY)
    filters: list[dict[str, Any]] = [
        {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": dictionary}
    ]
    return len(lzma.compress(data, lzma.FORMAT_RAW, filters=filters))
