"""GPTs that judge: by one number at every position (a reward model, PPO's value), or by what they predict.

The number is read off the same hidden state as the logits, after the one last norm.

Shapes: B rows, T positions, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.gpt import GPT
from modou.model.scoring import score_hidden
from modou.settings.model import ModelSettings

BETA = 0.3
"""Reward of a token that is e times as likely here as to the writer. The more, the less the judge must part from it."""


class ScoredGPT(GPT):
    """See the file's top. A new one scores everything 0."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self.score = nn.Linear(settings.width, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def fresh_copy(self) -> GPT:
        """A model of the same kind."""
        return ScoredGPT(self.settings)

    def scores(self, x_BTD: Tensor) -> Tensor:
        """One number a position from hidden states, (B, T), in float32: neighbours must stay apart."""
        with torch.autocast(x_BTD.device.type, enabled=False):
            return self.score(x_BTD.to(self.score.weight.dtype)).squeeze(-1)

    def read(self, ids_BT: Tensor, written_BT: Tensor) -> Tensor:
        """The score of every beginning, (B, T). `written_BT` is 1 where the next token is the answer's."""
        return self.scores(self.hidden(ids_BT))

    def unscored(self) -> GPT:
        """The GPT in it, on the CPU."""
        with torch.random.fork_rng(devices=[]):
            plain = GPT(self.settings)
        plain.load_state_dict({n: t for n, t in self.state_dict().items() if not n.startswith("score.")})
        return plain.train(self.training)


class ImplicitGPT(GPT):
    """A GPT whose judgement lies in its predictions (an implicit reward: Rafailov et al. 2023, Yuan et al. 2024): a
    token of an answer adds BETA times the logarithm of how much likelier it is here than to the writer, a frozen GPT.

    What a network of the writer's size would have to learn anew to see in a text, it knows when it predicts: which
    characters rhyme with those before, say. It need only learn to trust that more, or less, than the writer does.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self.writer = GPT(settings.changed(dropout=0.0)).requires_grad_(False)

    def fresh_copy(self) -> GPT:
        """A model of the same kind."""
        return ImplicitGPT(self.settings)

    def read(self, ids_BT: Tensor, written_BT: Tensor) -> Tensor:
        """What the tokens of every beginning added, (B, T). `written_BT` is 1 where the next token is the answer's."""
        return self.weigh(ids_BT, written_BT)[0]

    def weigh(self, ids_BT: Tensor, written_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The same; and how likely the judge itself finds each answer, log p, (B,)."""
        next_BT = ids_BT.roll(-1, 1)
        log_BT, _ = score_hidden(self, self.hidden(ids_BT), next_BT, written_BT)
        return _earned(log_BT, self.expected(ids_BT, next_BT, written_BT)), log_BT.sum(1)

    @torch.no_grad()
    def expected(self, ids_BT: Tensor, next_BT: Tensor, written_BT: Tensor) -> Tensor:
        """The writer's log-probabilities of what was written, (B, T)."""
        return score_hidden(self.writer, self.writer.hidden(ids_BT), next_BT, written_BT)[0]


def _earned(log_BT: Tensor, expected_BT: Tensor) -> Tensor:
    """What the tokens of every beginning added, (B, T), from the log-probabilities of each next token."""
    added_BT = BETA * (log_BT - expected_BT)
    return F.pad(added_BT[:, :-1], (1, 0)).cumsum(1)


RewardModel = ScoredGPT | ImplicitGPT
"""What a reward model may be."""
