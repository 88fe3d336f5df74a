"""Batched decoding with a key-value cache: prefill the prompts, then one token per row and step.

Prompts of different lengths share a batch without padding: all rows start with the length of the shortest prompt, and a
row with a longer one gets its prompt's next token instead of a sampled one until the prompt ends.

Beyond the context, the window moves in steps of half a context: which tokens the model attends to is a function of the
text's length alone (`window_start`), between half and all of the context. So a text does not depend on its batch, and
is the same as without a cache.

Shapes: B rows, N capacity in tokens, W window, U distinct windows, V vocabulary.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from modou.generate.sampling import SampleRng, choose
from modou.model.cache import KVCache
from modou.model.gpt import GPT
from modou.model.step import NextLogits, next_logits
from modou.settings.sampling import SamplingSettings

NO_UNIFORMS = torch.empty(0, dtype=torch.float64)
"""Greedy decoding needs no random numbers."""
BARRED = 1e6
"""Subtracted from a logit: at every temperature the token has probability 0 beside one that is not barred."""


def window_start(length: int, context: int) -> int:
    """Index of the first token that the model attends to in a text of `length` tokens."""
    stride = context - context // 2
    return max(0, -(-(length - context) // stride)) * stride


class Request(NamedTuple):
    """A text to continue: its ids (at least one), the key of its random numbers, see SampleRng, and the ids that its
    first new token is chosen from (none: all)."""

    ids: Sequence[int]
    key: Sequence[int]
    first: Sequence[int] = ()


class Token(NamedTuple):
    """A generated token: the request's index, the id, its log-probability (see sampling.Choice)."""

    request: int
    id: int
    log_probability: float


class Decoder:
    """Continues all requests in one batch. Call `step` until no request is `open`; `finish` the complete ones.

    excluded: ids that are never generated.
    """

    def __init__(
        self, model: GPT, requests: Sequence[Request], settings: SamplingSettings, excluded: Collection[int] = ()
    ) -> None:
        assert requests and all(request.ids for request in requests)
        self.model, self.settings = model, settings
        self.requests = requests
        self.device = model.embedding.weight.device
        self.excluded = torch.tensor(sorted(excluded), dtype=torch.long, device=self.device)
        self.rows = list(range(len(requests)))  # the request of each row of the tensors
        self.open = set(self.rows)
        self.rngs = [SampleRng(settings.seed, request.key) for request in requests]
        self.length = min(len(request.ids) for request in requests)
        self.longest = max(len(request.ids) for request in requests)
        self.last = self.longest + settings.tokens
        self.start = -1  # of the window in the cache; -1: none
        self.ids_BN = torch.tensor([list(request.ids[: self.length]) for request in requests], device=self.device)
        self._cache: KVCache | None = None
        self._next: NextLogits | None = None

    def finish(self, request: int) -> None:
        """Stops generating for this request."""
        self.open.discard(request)

    @torch.inference_mode()
    def step(self) -> list[Token]:
        """The next token of every open request whose prompt has been read."""
        self._drop_finished()
        logits_BV = self._logits().index_fill(1, self.excluded, -torch.inf)
        self._restrict_first(logits_BV)
        given = self._prompt_tokens() if self.length < self.longest else {}
        uniforms_B = self._uniforms(given) if self.settings.temperature else NO_UNIFORMS
        history_BT = self.ids_BN[:, : self.length] if self.settings.looks_back else None
        chosen = choose(logits_BV, self.settings, uniforms_B, history_BT)
        for index, id in given.items():
            chosen.ids_B[index] = id
        self._append(chosen.ids_B)
        sampled = zip(self.rows, chosen.ids_B.tolist(), chosen.log_probabilities_B.tolist(), strict=True)
        return [
            Token(row, id, log_probability)
            for index, (row, id, log_probability) in enumerate(sampled)
            if row in self.open and index not in given
        ]

    def _restrict_first(self, logits_BV: Tensor) -> None:
        """Bars, in place, what a row may not begin with; by a finite amount: a filter may exclude all the rest."""
        for index, row in enumerate(self.rows):
            ids, _, first = self.requests[row]
            if first and self.length == len(ids):
                barred_V = torch.ones_like(logits_BV[index], dtype=torch.bool)
                barred_V[torch.tensor(first, device=self.device)] = False
                logits_BV[index, barred_V] -= BARRED

    def _uniforms(self, given: Collection[int]) -> Tensor:
        """A random number for each row that samples its next token."""
        uniforms = [0.0 if index in given else self.rngs[row].uniform() for index, row in enumerate(self.rows)]
        return torch.tensor(uniforms, dtype=torch.float64, device=self.device)

    def _prompt_tokens(self) -> dict[int, int]:
        """The next token of every row whose prompt is not yet read, by row."""
        return {
            index: self.requests[row].ids[self.length]
            for index, row in enumerate(self.rows)
            if self.length < len(self.requests[row].ids)
        }

    def _append(self, ids_B: Tensor) -> None:
        if self.length == self.ids_BN.shape[1]:  # doubled, so that it is not copied at every token
            room_BN = torch.zeros(len(self.rows), max(64, self.length), dtype=torch.long, device=self.device)
            self.ids_BN = torch.cat([self.ids_BN, room_BN], dim=1)
        self.ids_BN[:, self.length] = ids_B
        self.length += 1

    def _logits(self) -> Tensor:
        start = window_start(self.length, self.model.settings.context)
        if start != self.start or self._next is None:
            return self._prefill(start)
        return self._next(self.ids_BN[:, self.length - 1])

    def _prefill(self, start: int) -> Tensor:
        """Fills the cache with the window, computing equal windows (samples of one prompt) once; returns the logits."""
        room = min(self.model.settings.context, self.last - start)
        if self.length - start == 1:  # a window of one token
            self.start = start
            return self._use(self.model.new_cache(len(self.rows), room))(self.ids_BN[:, start])
        windows_UW, row_B = torch.unique(self.ids_BN[:, start : self.length], dim=0, return_inverse=True)
        cache = self.model.new_cache(len(windows_UW), room)
        x_U1D = self.model.hidden(windows_UW, cache)[:, -1:]
        self.start = start
        self._use(cache if len(self.rows) == 1 else cache.select(row_B))
        return self.model.logits(x_U1D)[row_B, 0]

    def _use(self, cache: KVCache) -> NextLogits:
        self._cache, self._next = cache, next_logits(self.model, cache)
        return self._next

    def _drop_finished(self) -> None:
        """Removes finished rows once they are half of all: copying the cache costs about as much as a step."""
        if 2 * len(self.open) > len(self.rows):
            return
        kept = [index for index, row in enumerate(self.rows) if row in self.open]
        kept_B = torch.tensor(kept, device=self.device)
        self.rows = [self.rows[index] for index in kept]
        self.ids_BN = self.ids_BN[kept_B]
        if self._cache is not None:
            self._use(self._cache.select(kept_B))
