"""A GPT with one number at every position beside the next token's scores: a reward model or PPO's value.

The number is read off the same hidden state as the logits, after the one last norm.

Shapes: B rows, T positions, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.gpt import GPT
from modou.model.loss import token_log_probabilities
from modou.settings.model import ModelSettings

UNLIKELY = 8.0
"""Nats of surprise at which a token is half a blunder."""
CHEAP = -3.0
"""The logarithm, nearly, of what a blunder costs before anything is learned: questions are full of them."""


class ScoredGPT(GPT):
    """See the file's top. A new one scores everything 0."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self.score = nn.Linear(settings.width, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def twin(self) -> GPT:
        """A model of the same kind."""
        return ScoredGPT(self.settings)

    def scores(self, x_BTD: Tensor) -> Tensor:
        """One number a position from hidden states, (B, T), in float32: neighbours must stay apart."""
        with torch.autocast(x_BTD.device.type, enabled=False):
            return self.score(x_BTD.to(self.score.weight.dtype)).squeeze(-1)

    def read(self, ids_BT: Tensor) -> Tensor:
        """The score of every beginning, (B, T)."""
        return self.scores(self.hidden(ids_BT))

    def unscored(self) -> GPT:
        """The GPT in it, on the CPU."""
        with torch.random.fork_rng(devices=[]):
            plain = GPT(self.settings)
        plain.load_state_dict({n: t for n, t in self.state_dict().items() if not n.startswith("score.")})
        return plain.train(self.training)


class RewardGPT(ScoredGPT):
    """A scored GPT that charges for blunders: tokens next to impossible for the writer, a frozen GPT.

    A wrong character is hard to see and easy to be surprised by: what a network of the writer's size would have to
    learn anew from pairs, the writer knows. Surprise can only cost, and how much is learned by place: a judge that
    may like it, too, teaches a policy to be strange.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self.writer = GPT(settings.changed(dropout=0.0)).requires_grad_(False)
        self.price = nn.Linear(settings.width, 1)
        nn.init.zeros_(self.price.weight)
        nn.init.constant_(self.price.bias, CHEAP)

    def twin(self) -> GPT:
        """A model of the same kind."""
        return RewardGPT(self.settings)

    def read(self, ids_BT: Tensor) -> Tensor:
        """The score of every beginning less all its blunders so far, (B, T)."""
        x_BTD = self.hidden(ids_BT)
        return self.scores(x_BTD) - (self.blunders(ids_BT) * self.prices(x_BTD)).cumsum(1)

    def prices(self, x_BTD: Tensor) -> Tensor:
        """What a blunder costs at each place, from hidden states, (B, T)."""
        with torch.autocast(x_BTD.device.type, enabled=False):
            return F.softplus(self.price(x_BTD.to(self.price.weight.dtype)).squeeze(-1))

    @torch.no_grad()
    def blunders(self, ids_BT: Tensor) -> Tensor:
        """How far each token is a blunder, (B, T): sigmoid(surprise - UNLIKELY), surprise = -log p(token | before). The
        first token, which nothing foretells, is none."""
        log_BT = token_log_probabilities(self.writer(ids_BT[:, :-1]), ids_BT[:, 1:])
        return F.pad((-log_BT - UNLIKELY).sigmoid(), (1, 0))
