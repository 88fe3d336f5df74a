"""Bits per character of a GPT: each text is scored as [bos] text [eos] through overlapping windows
(modou.model.windows), every token once.

Shapes: V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modou.evaluate.bits import BitsPerCharacter, CodeLength, score
from modou.model.gpt import GPT
from modou.model.windows import score_texts
from modou.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class TextScore(CodeLength):
    """A model's code length of a text, in the units of other programs as well."""

    newlines: int
    """Line ends, which bits_per_char does not count as characters (their bits it counts)."""
    bits_per_char_with_newlines: float
    """Bits ÷ (characters + line ends)."""
    tokens: int
    """Tokens, the end mark of each document included."""
    nats_per_token: float
    """Cross-entropy: natural-logarithm loss per token."""


SHORTEST = 200
"""Least characters of an excerpt, where its text is that long."""


def bits_per_character(
    model: GPT, tokenizer: Tokenizer, texts: Sequence[str], context: int | None = None
) -> BitsPerCharacter:
    """Bits per character of `texts`, as the tokenizer normalises them, with windows of `context` tokens (None: the
    training context).

    UserError: no character. The model's mode (train, eval) is restored.
    """
    ids = [[tokenizer.bos, *tokenizer.encode(text), tokenizer.eos] for text in texts]
    lengths = characters_of_tokens(tokenizer)
    scored = zip(score_texts(model, ids, context), ids, strict=True)
    return score([(-log / math.log(2), lengths[text[1:]]) for log, text in scored])


def text_score(found: BitsPerCharacter, tokenizer: Tokenizer, texts: Sequence[str]) -> TextScore:
    """The result of `bits_per_character` on `texts`, in all units."""
    newlines = sum(tokenizer.normalise(text).count("\n") for text in texts)
    tokens = sum(len(tokenizer.encode(text)) + 1 for text in texts)
    whole = found.bits / (found.characters + newlines)
    return TextScore(
        **vars(found.figures),
        newlines=newlines,
        bits_per_char_with_newlines=whole,
        tokens=tokens,
        nats_per_token=found.bits * math.log(2) / tokens,
    )


def characters_of_tokens(tokenizer: Tokenizer) -> NDArray[np.int64]:
    """(V,) number of characters that begin in each token, newlines not counted."""
    lengths = np.array([tokenizer.characters(token) for token in range(tokenizer.vocabulary)], np.int64)
    return lengths - tokenizer.newlines


def excerpts(texts: Sequence[str], characters: int) -> list[str]:
    """About `characters` characters in all: the beginning of every text, or of every n-th so that no excerpt is shorter
    than SHORTEST. All of the texts where they are shorter in total."""
    share = max(SHORTEST, characters // max(1, len(texts)))
    every = max(1, round(sum(min(len(text), share) for text in texts) / characters))
    return [text[:share] for text in texts[::every]]
