"""Character n-gram models: interpolated modified Kneser-Ney, orders 1 to 6.

    P_n(w | h) = (c(hw) - D(c(hw))) / c(h·)  +  gamma(h) P_{n-1}(w | h without its first symbol)

c is the number of occurrences at the highest order, the continuation count (number of different preceding symbols) at
lower ones. D is D1, D2 or D3+ for c = 1, 2, >= 3; gamma(h) is the discounted mass. Order 0 is uniform over the training
alphabet, the end mark and one class for all other Unicode characters, which share its mass evenly.
Source: Chen and Goodman, An Empirical Study of Smoothing Techniques for Language Modeling, 1999.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from modou.evaluate.bits import BitsPerCharacter, characters, score
from modou.evaluate.counts import (
    END,
    FIRST_CHARACTER,
    PAD,
    UNKNOWN,
    Counts,
    Level,
    count_grams,
    find,
    symbols_of,
)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HIGHEST_ORDER = 6
SCALAR_VALUES = 0x110000 - 0x800  # Unicode code points without surrogates
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)


@dataclass(frozen=True, eq=False)
class Smoothed:
    """One level: discounted probability of each n-gram, backoff weight gamma of each context."""

    discounted: Floats
    gamma: Floats


class KneserNey:
    """Character n-gram models of all orders up to `order`. Made by `fit`."""

    def __init__(self, counts: Counts, order: int) -> None:
        self.order = order
        self.counts = counts
        self._seen = [smooth(level, level.seen, counts.symbols) for level in counts.levels]
        self._continuation = [smooth(level, level.left_neighbours, counts.symbols) for level in counts.levels[:-1]]
        self._unknown_bits = math.log2(SCALAR_VALUES - len(counts.alphabet))

    @classmethod
    def fit(cls, texts: Sequence[str], order: int) -> "KneserNey":
        """Models of orders 1 .. `order` (at most 6) of `texts`."""
        assert texts and 1 <= order <= HIGHEST_ORDER
        return cls(count_grams(texts, order), order)

    def of_order(self, order: int) -> "KneserNey":
        """The model of a lower order, as `fit` would make it, from the same counts."""
        assert 1 <= order <= self.order
        return KneserNey(replace(self.counts, levels=self.counts.levels[:order]), order)

    def every_order(self, texts: Sequence[str], seed: int = 0) -> dict[int, BitsPerCharacter]:
        """Bits per character of `texts` under each order 1 .. `order`. UserError: no character."""
        by_order = [(self.bits_by_order(text), characters(text)) for text in texts]
        return {
            order: score([(bits[order - 1], counts) for bits, counts in by_order], seed)
            for order in range(1, self.order + 1)
        }

    def bits_by_order(self, text: str) -> list[Floats]:
        """Bits of each character of `text` and of its end mark, (len(text) + 1,), under each order 1 .. `order`."""
        ids = symbols_of(text, self.counts.alphabet)
        predicted = np.append(ids, END)
        padded = np.concatenate([np.full(self.order, PAD), ids])
        windows_LN = np.lib.stride_tricks.sliding_window_view(padded, self.order)
        unknown_bits = np.where(predicted == UNKNOWN, self._unknown_bits, 0.0)
        return [unknown_bits - np.log2(p) for p in self.probabilities(windows_LN, predicted)]

    def probabilities(self, windows_LN: Integers, symbols_L: Integers) -> list[Floats]:
        """P(symbol | window) under orders 1 .. `order`; a window holds the N symbols before its symbol."""
        context = np.zeros(len(symbols_L), np.int64)
        lower = np.full(len(symbols_L), 1 / (self.counts.symbols - 1))  # all but the start mark
        result: list[Floats] = []
        for place, level in enumerate(self.counts.levels):
            if place > 0:
                shorter = len(self.counts.levels[place - 1].context_keys)
                longer = find(level.context_keys, windows_LN[:, -place] * shorter + context)
                context = np.where(context < 0, -1, longer)
            gram = np.where(context < 0, -1, find(level.gram_keys, context * self.counts.symbols + symbols_L))
            result.append(_interpolate(self._seen[place], context, gram, lower))
            if place + 1 < self.order:
                lower = _interpolate(self._continuation[place], context, gram, lower)
        return result

    def sample(self, n_characters: int, seed: int) -> str:
        """A sample of `n_characters` characters. After an end mark a new text begins; unknown characters are
        rejected."""
        generator = np.random.default_rng(seed)
        history = [PAD] * self.order
        written: list[str] = []
        while len(written) < n_characters:
            symbol = self._draw(history, generator)
            if symbol == END:
                history = [PAD] * self.order
            elif symbol != UNKNOWN:
                history.append(symbol)
                written.append(chr(self.counts.alphabet[symbol - FIRST_CHARACTER]))
        return "".join(written)

    def _draw(self, history: list[int], generator: np.random.Generator) -> int:
        """One symbol: from the longest known context down, draw one of its n-grams; back off with probability gamma."""
        contexts = [0]
        for place in range(1, self.order):
            keys = self.counts.levels[place].context_keys
            key = history[-place] * len(self.counts.levels[place - 1].context_keys) + contexts[-1]
            found = int(np.searchsorted(keys, key))
            if found == len(keys) or keys[found] != key:
                break
            contexts.append(found)
        for place in reversed(range(len(contexts))):
            smoothed = self._seen[place] if place == self.order - 1 else self._continuation[place]
            context = contexts[place]
            if generator.random() >= smoothed.gamma[context]:
                first, last = self._first_grams[place][context : context + 2]
                mass = np.cumsum(smoothed.discounted[first:last])
                chosen = first + np.searchsorted(mass, generator.random() * mass[-1], side="right")
                key = self.counts.levels[place].gram_keys[min(chosen, last - 1)]
                return int(key % self.counts.symbols)
        return int(generator.integers(END, self.counts.symbols))

    @cached_property
    def _first_grams(self) -> list[Integers]:
        """For each level, the index of each context's first n-gram, and the number of n-grams at the end."""
        return [
            np.searchsorted(level.gram_keys, np.arange(len(level.context_keys) + 1) * self.counts.symbols)
            for level in self.counts.levels
        ]


def smooth(level: Level, counts: Integers, symbols: int) -> Smoothed:
    """Discounted probabilities and backoff weights of a level from its `counts`."""
    context = level.gram_keys // symbols
    total = np.bincount(context, weights=counts)
    discount = np.array([0.0, *discounts(counts)])[np.minimum(counts, 3)]
    return Smoothed((counts - discount) / total[context], np.bincount(context, weights=discount) / total)


def discounts(counts: Integers) -> tuple[float, float, float]:
    """D1, D2, D3+ from the counts of counts n1 .. n4. Where the estimate fails (a count of counts is 0, or a discount
    is outside its bounds): 0.5, 1, 1.5."""
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    if not (n1 and n2 and n3 and n4):
        return FALLBACK_DISCOUNTS
    share = n1 / (n1 + 2 * n2)
    d1, d2, d3 = 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3
    return (d1, d2, d3) if 0 < d1 < 1 and 0 < d2 < 2 and 0 < d3 < 3 else FALLBACK_DISCOUNTS


def _interpolate(smoothed: Smoothed, context: Integers, gram: Integers, lower: Floats) -> Floats:
    """Discounted probability + gamma × `lower`; `lower` itself for unseen contexts (-1)."""
    discounted = np.where(gram < 0, 0.0, smoothed.discounted[gram])
    return np.where(context < 0, lower, discounted + smoothed.gamma[context] * lower)
