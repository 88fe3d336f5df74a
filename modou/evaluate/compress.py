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
    """Bits that the held-out text adds to the compressed training text, per character."""

    bits_per_char: float
    """In the best encoding; line ends and end marks cost bits, but are not counted as characters."""
    characters: int
    """Characters, line ends not counted."""
    encoding: str
    """The best encoding."""
    by_encoding: dict[str, float]
    """Bits per character in each encoding."""


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
        bits = {name: 8 * (b - a) / characters for name, a, b in zip(ENCODINGS, without, along, strict=True)}
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
