"""GPTs with a score: a number at every position (a reward model, PPO's value), or an implicit reward.

The number is a linear function of the last hidden state, after the final norm, as the logits are.

Shapes: B rows, T positions, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.gpt import GPT
from modou.model.scoring import score_hidden
from modou.settings.model import ModelSettings


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
    """A reward model by its predictions (implicit reward: Rafailov et al. 2023, Yuan et al. 2024): each token of an
    answer adds beta log(p / p_reference), p_reference being that of a frozen GPT.

    What a scalar reward would have to learn anew, a language model already predicts: which characters rhyme with those
    before, say. Training need only make such predictions count for more, or less, than in the reference.
    """

    def __init__(self, settings: ModelSettings, beta: float) -> None:
        super().__init__(settings)
        self.beta = beta
        self.reference = GPT(settings.changed(dropout=0.0)).requires_grad_(False)

    def fresh_copy(self) -> GPT:
        """A model of the same kind."""
        return ImplicitGPT(self.settings, self.beta)

    def read(self, ids_BT: Tensor, written_BT: Tensor) -> Tensor:
        """The reward of every prefix, (B, T). `written_BT` is 1 where the next token is the answer's."""
        return self.weigh(ids_BT, written_BT)[0]

    def weigh(self, ids_BT: Tensor, written_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The same; and log p of each answer, (B,)."""
        next_BT = ids_BT.roll(-1, 1)
        log_BT, _ = score_hidden(self, self.hidden(ids_BT), next_BT, written_BT)
        added_BT = self.beta * (log_BT - self.expected(ids_BT, next_BT, written_BT))
        return F.pad(added_BT[:, :-1], (1, 0)).cumsum(1), log_BT.sum(1)

    @torch.no_grad()
    def expected(self, ids_BT: Tensor, next_BT: Tensor, written_BT: Tensor) -> Tensor:
        """Log-probabilities of the answer's tokens under the reference, (B, T)."""
        return score_hidden(self.reference, self.reference.hidden(ids_BT), next_BT, written_BT)[0]


RewardModel = ScoredGPT | ImplicitGPT
"""What a reward model may be."""
