"""Low-rank adapters beside frozen matrices (LoRA: Hu et al. 2022).

    y = W x + (alpha / rank) B A x        A: rank x in, random;  B: out x rank, initially 0

Shapes: I width in, O width out, R rank.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modou.model.gpt import GPT, plain_gpt
from modou.settings.model import ModelSettings
from modou.settings.train import LoraSettings


class Adapters(NamedTuple):
    """Settings of the adapters of a model."""

    rank: int
    alpha: float
    dropout: float = 0.0


class LoRALinear(nn.Linear):
    """A linear layer with an adapter. It takes over the parameters of `base`, under the same names."""

    def __init__(self, base: nn.Linear, adapters: Adapters) -> None:
        has_bias = base.bias is not None  # pyright: ignore[reportUnnecessaryComparison]
        super().__init__(base.in_features, base.out_features, bias=has_bias, device="meta")
        self.weight, self.bias = base.weight, base.bias
        self.scale, self.dropout = adapters.alpha / adapters.rank, adapters.dropout
        self.lora_a = nn.Parameter(base.weight.new_empty(adapters.rank, base.in_features))
        self.lora_b = nn.Parameter(base.weight.new_zeros(base.out_features, adapters.rank))
        nn.init.normal_(self.lora_a, std=base.in_features**-0.5)

    def forward(self, input: Tensor) -> Tensor:
        """(..., I) to (..., O)."""
        low_R = F.linear(F.dropout(input, self.dropout, self.training), self.lora_a)
        return F.linear(input, self.weight, self.bias) + F.linear(low_R * self.scale, self.lora_b)


def make_gpt(shape: ModelSettings, lora: LoraSettings) -> GPT:
    """A newly initialised GPT, with adapters where they have a rank."""
    return AdaptedGPT(shape, Adapters(lora.rank, lora.alpha, lora.dropout)) if lora.rank else GPT(shape)


class AdaptedGPT(GPT):
    """A GPT whose own weights are frozen, with an adapter on every linear layer of its blocks."""

    def __init__(self, settings: ModelSettings, adapters: Adapters) -> None:
        super().__init__(settings)
        self.adapters = adapters
        self.requires_grad_(False)
        for module in list(self.blocks.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear) and not isinstance(child, LoRALinear):
                    setattr(module, name, LoRALinear(child, adapters))

    def fresh_copy(self) -> GPT:
        return AdaptedGPT(self.settings, self.adapters)

    @torch.no_grad()
    def merged(self) -> GPT:
        """A plain GPT with the adapters added to the weights, on the CPU."""
        weights = {name: tensor for name, tensor in self.state_dict().items() if "lora_" not in name}
        for name, module in self.blocks.named_modules():
            if isinstance(module, LoRALinear):
                added = module.scale * (module.lora_b @ module.lora_a)
                weights[f"blocks.{name}.weight"] = module.weight + added
        return plain_gpt(self.settings, weights).train(self.training)
