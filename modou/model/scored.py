"""GPTs that output a scalar at every position: a reward model or PPO's value function; and implicit reward models.

Shapes: B rows, T positions, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.gpt import GPT, plain_gpt
from modou.model.scoring import score_hidden
from modou.settings.model import ModelSettings


class ScoredGPT(GPT):
    """A GPT with a score: a linear function of the final hidden state, initially 0."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        self.score = nn.Linear(settings.width, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def fresh_copy(self) -> GPT:
        return ScoredGPT(self.settings)

    def scores(self, x_BTD: Tensor) -> Tensor:
        """The scores from hidden states, (B, T), in float32 even under autocast: bfloat16 is too coarse for
        differences."""
        with torch.autocast(x_BTD.device.type, enabled=False):
            return self.score(x_BTD.to(self.score.weight.dtype)).squeeze(-1)

    def prefix_rewards(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """The score of every prefix, (B, T). mask_BT (unused): 1 where the next token belongs to the answer."""
        return self.scores(self.hidden(ids_BT))

    def unscored(self) -> GPT:
        """The plain GPT, without the score, on the CPU."""
        weights = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("score.")}
        return plain_gpt(self.settings, weights).train(self.training)


class ImplicitGPT(GPT):
    """An implicit reward model (Rafailov et al. 2023, Yuan et al. 2024): the reward is the sum over the answer's tokens
    of beta log(p / p_reference), p_reference being that of a frozen GPT.

    It starts from what the language model already predicts, such as rhymes, which a scalar head would have to learn
    anew.
    """

    def __init__(self, settings: ModelSettings, beta: float) -> None:
        super().__init__(settings)
        self.beta = beta
        self.reference = GPT(settings.changed(dropout=0.0)).requires_grad_(False)

    def fresh_copy(self) -> GPT:
        return ImplicitGPT(self.settings, self.beta)

    def prefix_rewards(self, ids_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """The reward of every prefix, (B, T). mask_BT: 1 where the next token belongs to the answer."""
        return self.rewards_and_log_probabilities(ids_BT, mask_BT)[0]

    def rewards_and_log_probabilities(self, ids_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The reward of every prefix, (B, T), and log p of each answer in nats, (B,)."""
        next_BT = ids_BT.roll(-1, 1)
        log_BT, _ = score_hidden(self, self.hidden(ids_BT), next_BT, mask_BT)
        added_BT = self.beta * (log_BT - self.reference_log_probabilities(ids_BT, next_BT, mask_BT))
        return F.pad(added_BT[:, :-1], (1, 0)).cumsum(1), log_BT.sum(1)

    @torch.no_grad()
    def reference_log_probabilities(self, ids_BT: Tensor, next_BT: Tensor, mask_BT: Tensor) -> Tensor:
        """log p of the answer's tokens under the reference, (B, T)."""
        return score_hidden(self.reference, self.reference.hidden(ids_BT), next_BT, mask_BT)[0]


RewardModel = ScoredGPT | ImplicitGPT
"""The classes of reward models."""
