"""How text is read, cleaned, split and cut into tokens."""

from typing import Annotated, Literal

from pydantic import Field

from modou.settings.base import Settings

TokenizerKind = Literal["bpe", "unigram", "char"]


class CleanSettings(Settings):
    """Cleaning rules. Each can be switched off; each reports what it touched."""

    encoding: str = "auto"
    """Encoding of the input; auto = detected, and said."""
    headings: bool = True
    """Take chapter headings out of the text and cut chapters at them."""
    furniture: bool = True
    """Remove page numbers, rules, site notices and Project Gutenberg frames."""
    spaces: bool = True
    """Remove control characters; trim white space, and collapse runs of it and full-width spaces to one space."""
    private_use: bool = True
    """Remove private-use characters (lost glyphs) and report them. Held-out chapters keep theirs."""
    duplicates: bool = True
    """Drop a chapter that repeats an earlier one word for word."""
    punctuation: bool = True
    """Half-width marks between Chinese characters become full-width; stray full-width stops become 。 Not in held-out
    chapters: what examines a model is the text as it was written."""
    unwrap: bool = True
    """Join lines that were broken at a fixed width (verse is kept)."""
    simplify: bool = False
    """Traditional to simplified characters (needs `pip install modou[chinese]`)."""


class TokenizerSettings(Settings):
    """The SentencePiece tokenizer."""

    kind: TokenizerKind = "bpe"
    """bpe = merge frequent pairs, unigram = most likely pieces, char = one piece a character."""
    vocabulary: Annotated[int, Field(ge=300, le=200_000)] = 4096
    """Number of pieces, the 256 byte pieces and control symbols included."""
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """Threads that train the tokenizer."""
