"""Small models as exports take them: every layout, with weights that hide nothing, and a real tokenizer."""

import functools
from pathlib import Path
from typing import Any

import torch
from model_helpers import random_model
from train_helpers import DOCUMENTS

from modou.interop.export import build
from modou.interop.exports import target
from modou.interop.portable import About, Portable
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.settings.text import TokenizerKind, TokenizerSettings
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer

CONTEXT = 160
VOCABULARY = 330
LAYOUTS: dict[str, dict[str, Any]] = {
    "gpt2": {"style": "classic", "position": "learned"},
    "neox": {"style": "classic", "position": "rope"},
    "qwen3": {"style": "modern"},
    "qwen3-grouped": {"style": "modern", "kv_heads": 2, "head_size": 16, "rope_base": 50_000},
    "llama": {"style": "modern", "qk_norm": False, "norm_eps": 1e-5},
    "llama-grouped": {"style": "modern", "qk_norm": False, "kv_heads": 1, "head_size": 8},
}


@functools.cache
def trained_tokenizer(kind: TokenizerKind = "bpe", vocabulary: int = VOCABULARY) -> Tokenizer:
    """A tokenizer of invented sentences; some ids occur in none of them."""
    made = SentencePieceTokenizer.train(DOCUMENTS, TokenizerSettings(kind=kind, vocabulary=vocabulary, threads=1))
    seen = {token for text in DOCUMENTS for token in made.encode(text)}
    return SentencePieceTokenizer(made.model, unseen=set(range(made.vocabulary)) - seen - {made.eos})


def small(layout: str, **changes: Any) -> ModelSettings:
    """Three layers of width 48."""
    own = {"vocabulary": VOCABULARY, "layers": 3, "width": 48, "heads": 4, "context": CONTEXT}
    return ModelSettings(**own | LAYOUTS[layout] | changes)


def portable(
    layout: str, *, answers: bool = False, endless: bool = True, about: About | None = None, **changes: Any
) -> Portable:
    """`endless`: its likeliest texts do not end."""
    model = random_model(small(layout, **changes))
    with torch.no_grad():
        for token in (trained_tokenizer().eos, trained_tokenizer().end) if endless else ():
            model.head_VD[token] = 0
    return Portable(
        name="bean",
        settings=model.settings,
        weights={name: tensor.detach() for name, tensor in model.state_dict().items()},
        tokenizer=trained_tokenizer(),
        answers=answers,
        sampling=SamplingSettings(temperature=0.7, top_k=9),
        step=12,
        about=about or About(),
    )


def exported(model: Portable, folder: Path, to: str = "hf", precision: str = "f32") -> Path:
    """The export's folder."""
    build(folder, to, lambda empty: target(to).write(model, empty, precision))
    return folder


def token_ids(batch: int, length: int, seed: int = 0) -> torch.Tensor:
    """Ids of text, (B, T)."""
    return torch.randint(8, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(seed))
