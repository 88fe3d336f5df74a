"""Log-probabilities of the tokens of a text of any length, with a sliding window.

Windows have the length of the context and a stride of half of it; all but the first score only their second half. So
each token is scored once, given at least half a context of earlier tokens if the text has them.

Shapes: N windows, T positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from modou.model.gpt import GPT, evaluation_mode
from modou.model.scoring import POSITIONS_AT_ONCE, score_tokens


@dataclass(frozen=True)
class _Window:
    text: int
    start: int
    end: int
    first_scored: int


def score_texts(model: GPT, texts: Sequence[Sequence[int]], context: int | None = None) -> list[NDArray[np.float64]]:
    """For each text (token ids), log p in nats of each id after the first.

    context: the window's length in tokens; None: the training context.
    """
    length = context or model.settings.context
    ids = [torch.as_tensor(text, dtype=torch.long) for text in texts]
    log = [np.zeros(len(text) - 1) for text in ids]
    windows = [window for index, text in enumerate(ids) for window in _windows(index, len(text) - 1, length)]
    rows = max(1, POSITIONS_AT_ONCE // length)
    with evaluation_mode(model):
        for first in range(0, len(windows), rows):
            _score(model, windows[first : first + rows], ids, log)
    return log


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


@torch.inference_mode()
def _score(
    model: GPT, windows: Sequence[_Window], ids: Sequence[torch.Tensor], log: Sequence[NDArray[np.float64]]
) -> None:
    width = max(w.end - w.start for w in windows)
    inputs_NT = torch.zeros(len(windows), width, dtype=torch.long)
    targets_NT, scored_NT = torch.zeros_like(inputs_NT), torch.zeros_like(inputs_NT)
    for row, w in enumerate(windows):
        inputs_NT[row, : w.end - w.start] = ids[w.text][w.start : w.end]
        targets_NT[row, : w.end - w.start] = ids[w.text][w.start + 1 : w.end + 1]
        scored_NT[row, w.first_scored - w.start : w.end - w.start] = 1
    log_NT = score_tokens(model, inputs_NT, targets_NT, scored_NT).double().numpy()
    for row, w in enumerate(windows):
        log[w.text][w.first_scored : w.end] = log_NT[row, w.first_scored - w.start : w.end - w.start]
