"""From ids to more ids: prefill each prompt once, then one token a row and step with the key-value cache.

Prompts of different lengths share a batch without padding: all rows start together with the length of the shortest,
and a row whose prompt is longer is given its prompt's next token in place of a drawn one until the prompt is used up.

Past the context the window slides in jumps of half a context: which tokens the model sees is a function of the text's
length alone (`window_start`), between half and all of the context, as in evaluation with a stride of half. So a text
is the same in any batch, and the same as without a cache.

Shapes: B rows, N room for tokens, W window, U different windows, V vocabulary.
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

NO_DICE = torch.empty(0, dtype=torch.float64)
"""Where the likeliest token is taken, none are thrown."""


def window_start(length: int, context: int) -> int:
    """Index of the first token that the model sees in a text of `length` tokens."""
    jump = context - context // 2
    return max(0, -(-(length - context) // jump)) * jump


class Request(NamedTuple):
    """A text to continue: its ids (at least one), and the key of its dice (up to three numbers)."""

    ids: Sequence[int]
    key: Sequence[int]


class Token(NamedTuple):
    """One written token: of which request, its id, its log-probability (see sampling.Choice)."""

    request: int
    id: int
    log_probability: float


class Decoder:
    """Writes all requests on, side by side. `step` until no request is `open`; `finish` those that are done.

    `barred` ids are never drawn: the others share their probability.
    """

    def __init__(
        self, model: GPT, requests: Sequence[Request], settings: SamplingSettings, barred: Collection[int] = ()
    ) -> None:
        assert requests and all(request.ids for request in requests)
        self.model, self.settings = model, settings
        self.requests = requests
        self.device = model.embedding.weight.device
        self.barred = torch.tensor(sorted(barred), dtype=torch.long, device=self.device)
        self.rows = list(range(len(requests)))  # the request that each row of the tensors writes
        self.open = set(self.rows)
        self.rngs = [SampleRng(settings.seed, request.key) for request in requests]
        self.length = min(len(request.ids) for request in requests)
        self.longest = max(len(request.ids) for request in requests)
        self.last = self.longest + settings.tokens
        self.start = -1  # of the window that the cache holds: none yet
        self.ids_BN = torch.tensor([list(request.ids[: self.length]) for request in requests], device=self.device)
        self._cache: KVCache | None = None
        self._next: NextLogits | None = None

    def finish(self, request: int) -> None:
        """This request is written no further."""
        self.open.discard(request)

    @torch.inference_mode()
    def step(self) -> list[Token]:
        """One more token for every open request; none for those that are still inside their prompt."""
        self._drop_finished()
        logits_BV = self._logits().index_fill(1, self.barred, -torch.inf)
        given = self._given() if self.length < self.longest else {}
        uniforms_B = self._throws(given) if self.settings.temperature else NO_DICE
        history_BT = self.ids_BN[:, : self.length] if self.settings.looks_back else None
        chosen = choose(logits_BV, self.settings, uniforms_B, history_BT)
        for index, id in given.items():
            chosen.ids_B[index] = id
        self._append(chosen.ids_B)
        written = zip(self.rows, chosen.ids_B.tolist(), chosen.log_probabilities_B.tolist(), strict=True)
        return [
            Token(row, id, log_probability)
            for index, (row, id, log_probability) in enumerate(written)
            if row in self.open and index not in given
        ]

    def _throws(self, given: Collection[int]) -> Tensor:
        """A number for each row that draws its next token."""
        uniforms = [0.0 if index in given else self.rngs[row].uniform() for index, row in enumerate(self.rows)]
        return torch.tensor(uniforms, dtype=torch.float64, device=self.device)

    def _given(self) -> dict[int, int]:
        """The next token of every row that is still inside its prompt."""
        return {
            index: self.requests[row].ids[self.length]
            for index, row in enumerate(self.rows)
            if self.length < len(self.requests[row].ids)
        }

    def _append(self, ids_B: Tensor) -> None:
        if self.length == self.ids_BN.shape[1]:  # room doubles, so that a long text is not copied at every token
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
        """Reads the window anew, each different one once (the samples of a prompt share theirs)."""
        room = min(self.model.settings.context, self.last - start)
        if self.length - start == 1:  # an empty prompt: as any other token
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
        """Finished rows leave once they are half of all: moving the cache costs about what a step costs."""
        if 2 * len(self.open) > len(self.rows):
            return
        kept = [index for index, row in enumerate(self.rows) if row in self.open]
        kept_B = torch.tensor(kept, device=self.device)
        self.rows = [self.rows[index] for index in kept]
        self.ids_BN = self.ids_BN[kept_B]
        if self._cache is not None:
            self._use(self._cache.select(kept_B))
