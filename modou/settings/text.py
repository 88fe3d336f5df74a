"""Settings of cleaning and of the tokenizer."""

from typing import Annotated, Literal

from pydantic import Field

from modou.settings.base import Settings

TokenizerKind = Literal["bpe", "unigram", "char"]


class CleanSettings(Settings):
    """Cleaning rules. Each can be switched off; each reports what it touched."""

    encoding: str = "auto"
    """Encoding of the input; auto = detected and reported."""
    headings: bool = True
    """Recognise chapter headings: they are removed, and chapters begin there."""
    furniture: bool = True
    """Remove page numbers, rules, site notices, and Project Gutenberg's header and licence."""
    spaces: bool = True
    """Remove control characters; trim white space; reduce runs of it, and full-width spaces, to one space."""
    private_use: bool = True
    """Remove and report private-use characters (lost glyphs); held-out chapters keep theirs."""
    duplicates: bool = True
    """Remove chapters identical to an earlier one."""
    punctuation: bool = True
    """Half-width punctuation between Chinese characters becomes full-width; held-out chapters stay as written."""
    unwrap: bool = True
    """Join lines broken at a fixed width (verse stays)."""
    simplify: bool = False
    """Convert traditional to simplified characters (pip install 'modou[chinese]')."""


class TokenizerSettings(Settings):
    """The SentencePiece tokenizer."""

    kind: TokenizerKind = "bpe"
    """bpe = byte-pair encoding, unigram = unigram language model, char = one token per character."""
    vocabulary: Annotated[int, Field(ge=300, le=200_000)] = 4096
    """Vocabulary size, including 256 byte tokens and the control tokens."""
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """Threads for training the tokenizer."""
