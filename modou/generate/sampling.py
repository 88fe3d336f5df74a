"""From logits to the next token.

    logits
      1. repetition penalty   lowers the logits of tokens that occur in prompt or text
      2. no-repeat n-gram     excludes tokens that would repeat an n-gram
      3. temperature          logits / T; 0: greedy decoding
      4. top-k                keeps the k most likely tokens
      5. top-p                keeps the smallest set of most likely tokens whose probability reaches p
      6. min-p                keeps tokens at least m times as likely as the most likely
    softmax -> probabilities -> one random number -> id

The order is that of transformers' `generate`, and tested against it. Values that turn a filter off: penalty 1, n-gram
0, temperature 1, k 0, p 1, m 0.

Shapes: B rows, V vocabulary, T tokens so far, N n-gram size, W windows of N tokens.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from modou.settings.sampling import SamplingSettings

IMPOSSIBLE = -math.inf


def repetition_penalty(logits_BV: Tensor, history_BT: Tensor, penalty: float) -> Tensor:
    """Logits of tokens in the history divided by the penalty if positive, else multiplied by it (CTRL, Keskar et al.
    2019), however often a token occurs."""
    seen_BT = logits_BV.gather(1, history_BT)
    seen_BT = torch.where(seen_BT < 0, seen_BT * penalty, seen_BT / penalty)
    return logits_BV.scatter(1, history_BT, seen_BT)


def no_repeat_ngram(logits_BV: Tensor, history_BT: Tensor, size: int) -> Tensor:
    """Excludes tokens that would complete an n-gram of `size` that the history contains (Paulus et al. 2018). A row in
    which that would exclude all tokens is unchanged."""
    if history_BT.shape[1] < size:
        return logits_BV
    windows_BWN = history_BT.unfold(1, size, 1)
    start_BN = history_BT[:, history_BT.shape[1] - size + 1 :]
    repeats_BW = (windows_BWN[..., :-1] == start_BN[:, None]).all(-1)
    banned_BV = torch.zeros_like(logits_BV, dtype=torch.int32)
    banned_BV = banned_BV.scatter_add(1, windows_BWN[..., -1], repeats_BW.int()) > 0
    return logits_BV.masked_fill(banned_BV & ~banned_BV.all(-1, keepdim=True), IMPOSSIBLE)


def temperature(logits_BV: Tensor, value: float) -> Tensor:
    """Logits / value, for a value above 0."""
    return logits_BV if value == 1 else logits_BV / value


def top_k(logits_BV: Tensor, k: int) -> Tensor:
    """Excludes all but the k most likely tokens, and those as likely as the k-th."""
    return keep_from(logits_BV, logits_BV.topk(min(k, logits_BV.shape[-1])).values[:, -1:])


def top_p(logits_BV: Tensor, p: float) -> Tensor:
    """Nucleus sampling (Holtzman et al. 2020): excludes all but the fewest most likely tokens whose probability reaches
    p, and those as likely as the last of them."""
    probability_BV = logits_BV.softmax(-1)
    likeliest_BV = descending(probability_BV)
    reached_BV = likeliest_BV.cumsum(-1, dtype=torch.float64)
    last_B1 = (reached_BV < p).sum(-1, keepdim=True).clamp_(max=logits_BV.shape[-1] - 1)
    return logits_BV.masked_fill(probability_BV < likeliest_BV.gather(1, last_B1), IMPOSSIBLE)


def descending(x_BV: Tensor) -> Tensor:
    """Each row sorted, largest first. On a CPU numpy sorts: eight times as fast as torch."""
    if x_BV.device.type == "cpu":
        return torch.from_numpy(np.sort(-x_BV.numpy())).neg_()
    return x_BV.sort(descending=True).values


def min_p(logits_BV: Tensor, share: float) -> Tensor:
    """Excludes tokens with a probability below `share` x that of the most likely (Nguyen et al. 2024)."""
    return keep_from(logits_BV, logits_BV.amax(-1, keepdim=True) + math.log(share))


def keep_from(logits_BV: Tensor, threshold_B1: Tensor) -> Tensor:
    """Excludes tokens whose logit is below their row's threshold."""
    return logits_BV.masked_fill(logits_BV < threshold_B1, IMPOSSIBLE)


def penalise(logits_BV: Tensor, settings: SamplingSettings, history_BT: Tensor | None) -> Tensor:
    """Steps 1 and 2, which need the tokens so far, history_BT; without it logits are unchanged."""
    if history_BT is not None and settings.repetition_penalty != 1:
        logits_BV = repetition_penalty(logits_BV, history_BT, settings.repetition_penalty)
    if history_BT is not None and settings.no_repeat_ngram:
        logits_BV = no_repeat_ngram(logits_BV, history_BT, settings.no_repeat_ngram)
    return logits_BV


def truncate(logits_BV: Tensor, settings: SamplingSettings) -> Tensor:
    """Steps 4 to 6."""
    if settings.top_k:
        logits_BV = top_k(logits_BV, settings.top_k)
    if settings.top_p < 1:
        logits_BV = top_p(logits_BV, settings.top_p)
    if settings.min_p:
        logits_BV = min_p(logits_BV, settings.min_p)
    return logits_BV


def filtered(logits_BV: Tensor, settings: SamplingSettings, history_BT: Tensor | None = None) -> Tensor:
    """All six steps. At temperature 0 only the most likely token remains (the first of equals)."""
    logits_BV = penalise(logits_BV, settings, history_BT)
    if settings.temperature == 0:
        best_B1 = logits_BV.argmax(-1, keepdim=True)
        return torch.full_like(logits_BV, IMPOSSIBLE).scatter(1, best_B1, 0.0)
    return truncate(temperature(logits_BV, settings.temperature), settings)


class Choice(NamedTuple):
    """One token per row: ids (B,), and log-probabilities (B,) in nats under softmax(logits / T), without penalties and
    truncation, as reinforcement learning needs them; T = 0 counts as 1."""

    ids_B: Tensor
    log_probabilities_B: Tensor


def choose(
    logits_BV: Tensor, settings: SamplingSettings, uniforms_B: Tensor, history_BT: Tensor | None = None
) -> Choice:
    """Chooses the next token of each row. uniforms_B: random numbers in [0, 1), float64; unused at temperature 0."""
    logits_BV = logits_BV.float()
    scaled_BV = temperature(logits_BV, settings.temperature or 1.0)
    if settings.temperature == 0:
        ids_B = penalise(logits_BV, settings, history_BT).argmax(-1)
    elif history_BT is None:
        ids_B = draw(truncate(scaled_BV, settings), uniforms_B)
    else:
        ids_B = draw(filtered(logits_BV, settings, history_BT), uniforms_B)
    return Choice(ids_B, scaled_BV.log_softmax(-1).gather(1, ids_B[:, None])[:, 0])


def draw(logits_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """Inverse transform sampling, in float64: the first id at which the cumulative probability exceeds the random
    number. A token of probability 0 is never drawn."""
    reached_BV = logits_BV.softmax(-1, dtype=torch.float64).cumsum(-1)
    return torch.searchsorted(reached_BV, uniforms_B[:, None] * reached_BV[:, -1:], right=True)[:, 0]


class SampleRng:
    """The random numbers of one text: number i is a pure function of (seed, key, i), so that a text does not depend on
    its batch (Philox: Salmon et al. 2011).

    key: up to three numbers, for example (prompt, sample) or (round, prompt, sample).
    """

    def __init__(self, seed: int, key: Sequence[int]) -> None:
        # The counter's lowest word counts the uniforms; the others hold the key, so no two texts share a number.
        counter = [0, *key, *[0] * (3 - len(key))]
        self._generator = np.random.Generator(np.random.Philox(key=[seed, 0], counter=counter))

    def uniform(self) -> float:
        """The next number, uniform in [0, 1 - 2^-50]: just below 1, so that rounding cannot pass the last token."""
        return min(self._generator.random(), 1 - 2**-50)
