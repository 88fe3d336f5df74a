"""Bits per character of a GPT on held-out texts: every token is scored once, with as much context as the model knows.

A text is read as [bos] text [eos] through overlapping windows (modou.model.windows).

Shapes: V vocabulary.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modou.evaluate.bits import BitsPerCharacter, score
from modou.model.gpt import GPT
from modou.model.windows import score_texts
from modou.tokenizer.tokenizer import Tokenizer

SHORTEST = 200
"""Characters of an excerpt, at least, where its text is as long."""


def bits_per_character(
    model: GPT, tokenizer: Tokenizer, texts: Sequence[str], context: int | None = None
) -> BitsPerCharacter:
    """The figure for `texts`, read through windows of `context` tokens (None: the training context).

    UserError: there is no character to score. The model is left in the mode (train, eval) it came in.
    """
    ids = [[tokenizer.bos, *tokenizer.encode(text), tokenizer.eos] for text in texts]
    lengths = characters_of_tokens(tokenizer)
    scored = zip(score_texts(model, ids, context), ids, strict=True)
    return score([(-log / math.log(2), lengths[text[1:]]) for log, text in scored])


def characters_of_tokens(tokenizer: Tokenizer) -> NDArray[np.int64]:
    """(V,) characters that each token id begins; newlines count none."""
    lengths = np.array([tokenizer.characters(token) for token in range(tokenizer.vocabulary)], np.int64)
    lengths[tokenizer.newline] = 0
    return lengths


def excerpts(texts: Sequence[str], characters: int) -> list[str]:
    """About `characters` characters spread evenly over the texts, for figures that must be quick: the beginning of
    each, or of every n-th, so that none is too short to say anything. All of the texts where they are shorter."""
    share = max(SHORTEST, characters // max(1, len(texts)))
    every = max(1, round(sum(min(len(text), share) for text in texts) / characters))
    return [text[:share] for text in texts[::every]]
