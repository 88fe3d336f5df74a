"""A GPT with one number at every position beside the next token's scores: a reward model or PPO's value.

The number is read off the same hidden state as the logits, after the one last norm.
"""

import torch
from torch import Tensor, nn

from modou.model.gpt import GPT
from modou.settings.model import ModelSettings


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

    def unscored(self) -> GPT:
        """The GPT in it, on the CPU."""
        with torch.random.fork_rng(devices=[]):
            plain = GPT(self.settings)
        plain.load_state_dict({n: t for n, t in self.state_dict().items() if not n.startswith("score.")})
        return plain.train(self.training)
