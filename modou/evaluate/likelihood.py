"""Bits per character of a GPT on held-out texts: every token is scored once, with as much context as the model knows.

A text is read as [bos] text [eos] through windows of the training context whose starts are half a context apart; a
window scores only its second half (the first window all of it), so each target has at least half a context before it.

Shapes: N windows, T positions, V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from modou.evaluate.bits import BitsPerCharacter, score
from modou.model.gpt import GPT
from modou.model.scoring import POSITIONS_AT_ONCE, score_tokens
from modou.tokenizer.tokenizer import Tokenizer

SHORTEST = 200
"""Characters of an excerpt, at least, where its text is as long."""


@dataclass(frozen=True)
class _Window:
    text: int
    start: int
    end: int
    first_scored: int


def bits_per_character(
    model: GPT, tokenizer: Tokenizer, texts: Sequence[str], context: int | None = None
) -> BitsPerCharacter:
    """The figure for `texts`, read through windows of `context` tokens (None: the training context).

    UserError: there is no character to score. The model is left in the mode (train, eval) it came in.
    """
    window = context or model.settings.context
    ids = [np.array([tokenizer.bos, *tokenizer.encode(text), tokenizer.eos]) for text in texts]
    bits = [np.zeros(len(text) - 1) for text in ids]
    windows = [w for index, text in enumerate(ids) for w in _windows(index, len(text) - 1, window)]
    rows = max(1, POSITIONS_AT_ONCE // window)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for first in range(0, len(windows), rows):
                _score_windows(model, windows[first : first + rows], ids, bits)
    finally:
        model.train(was_training)
    lengths = characters_of_tokens(tokenizer)
    return score([(text_bits, lengths[text[1:]]) for text_bits, text in zip(bits, ids, strict=True)])


def characters_of_tokens(tokenizer: Tokenizer) -> NDArray[np.int64]:
    """(V,) characters that each token id begins; newlines count none."""
    lengths = np.array([tokenizer.characters(token) for token in range(tokenizer.vocabulary)], np.int64)
    lengths[tokenizer.newline] = 0
    return lengths


def _windows(text: int, targets: int, context: int) -> list[_Window]:
    half = max(1, context // 2)
    windows: list[_Window] = []
    start = scored = 0
    while scored < targets:
        end = min(start + context, targets)
        windows.append(_Window(text, start, end, scored))
        scored = end
        start += half
    return windows


def _score_windows(
    model: GPT,
    windows: Sequence[_Window],
    ids: Sequence[NDArray[np.int64]],
    bits: Sequence[NDArray[np.float64]],
) -> None:
    width = max(w.end - w.start for w in windows)  # a short text fills no window
    inputs_NT = torch.zeros(len(windows), width, dtype=torch.long)
    targets_NT, scored_NT = torch.zeros_like(inputs_NT), torch.zeros_like(inputs_NT)
    for row, w in enumerate(windows):
        inputs_NT[row, : w.end - w.start] = torch.from_numpy(ids[w.text][w.start : w.end])
        targets_NT[row, : w.end - w.start] = torch.from_numpy(ids[w.text][w.start + 1 : w.end + 1])
        scored_NT[row, w.first_scored - w.start : w.end - w.start] = 1
    log_NT = score_tokens(model, inputs_NT, targets_NT, scored_NT)
    bits_NT = (-log_NT.double() / math.log(2)).numpy()
    for row, w in enumerate(windows):
        bits[w.text][w.first_scored : w.end] = bits_NT[row, w.first_scored - w.start : w.end - w.start]


def excerpts(texts: Sequence[str], characters: int) -> list[str]:
    """About `characters` characters spread evenly over the texts, for figures that must be quick: the beginning of
    each, or of every n-th, so that none is too short to say anything. All of the texts where they are shorter."""
    share = max(SHORTEST, characters // max(1, len(texts)))
    every = max(1, round(sum(min(len(text), share) for text in texts) / characters))
    return [text[:share] for text in texts[::every]]
