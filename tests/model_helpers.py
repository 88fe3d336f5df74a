"""Small models for the tests of modou/model: one of each layout, with weights that hide nothing."""

import torch
from torch import Tensor

from modou.model.gpt import GPT
from modou.settings.model import ModelSettings

VOCABULARY = 97


def shape(layout: str, *, tied: bool = True, kv_heads: int = 0, width: int = 48, dropout: float = 0.0) -> ModelSettings:
    """Settings of a small model; layout is learned, rope or modern."""
    return ModelSettings(
        style="modern" if layout == "modern" else "classic",
        position="learned" if layout == "learned" else "rope",
        vocabulary=VOCABULARY,
        layers=3,
        width=width,
        heads=6,
        kv_heads=kv_heads,
        context=32,
        tied=tied,
        dropout=dropout,
    )


SHAPES = {  # layouts, and settings that no default hides
    "learned": shape("learned"),
    "rope": shape("rope"),
    "modern": shape("modern"),
    "grouped": shape("modern", kv_heads=2, tied=False),
    "llama": shape("modern", kv_heads=2).changed(qk_norm=False, norm_eps=1e-5, rope_base=100_000),
    "wide-heads": shape("modern", kv_heads=3, tied=False).changed(head_size=12, norm_eps=1e-3, rope_base=1e6),
    "odd-heads": shape("learned").changed(width=45, head_size=7, norm_eps=0.02),
}


def random_model(settings: ModelSettings, seed: int = 0) -> GPT:
    """A model in evaluation mode; every parameter, norms and biases too, is random and large."""
    torch.manual_seed(seed)
    model = GPT(settings).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "blocks" in name:
                parameter.normal_(std=1.5 * parameter.shape[1] ** -0.5)
            elif name.endswith("bias"):
                parameter.normal_(std=0.3)
            elif parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5)
            else:
                parameter.normal_(std=0.5)
    return model


def random_ids(batch: int, length: int, seed: int = 0) -> Tensor:
    """Token ids (B, T)."""
    return torch.randint(VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))
