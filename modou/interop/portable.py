"""A run's model as every export takes it: weights, shape, tokenizer, and what the model is for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class About:
    """What is known of a run beside its model; empty where it is not."""

    method: str = ""
    texts: tuple[str, ...] = ()
    """Names of the text of pretraining (or of the model that was imported), and of the files of examples after it."""
    language: str = ""
    """Of that text: zh or en."""
    report: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """report.json, where it is about this checkpoint."""
    licence: str = ""
    """Of the model that was imported, as its card calls it."""


@dataclass(frozen=True)
class LowRank:
    """Adapters that are not merged: their settings, and the folder of the export that they belong on."""

    base: str
    rank: int
    alpha: float
    dropout: float
    rows_added: bool = False
    """Whether the marks of conversations got rows of the table of tokens that the base's table does not hold."""


@dataclass(frozen=True)
class Portable:
    """See the module's docstring."""

    name: str
    """The run folder's name."""
    settings: ModelSettings
    weights: Mapping[str, Tensor]
    """Float32 on the CPU, under the model's own names; a tied head is not among them."""
    tokenizer: Tokenizer
    answers: bool
    """Whether the model answers conversations; else it continues text."""
    sampling: SamplingSettings
    """How the run's samples were drawn."""
    scores: bool = False
    """Whether it is a reward model: the weights hold its `score.weight` (1, width) and `score.bias`, too."""
    step: int = 0
    """Of the checkpoint."""
    about: About = About()
    adapters: LowRank | None = None
    """If set, the weights are those of the frozen base and of its adapters, `...lora_a` and `...lora_b`."""

    @property
    def ends(self) -> list[int]:
        """Ids that end a text: eos, and after an answer the end mark."""
        own = self.tokenizer
        return [own.eos, own.end] if self.answers else [own.eos]

    @property
    def names(self) -> list[str]:
        """The raw name of each id, all of them different: a row without a token has one, too."""
        return [name or f"[PAD{token}]" for token, name in enumerate(self.tokenizer.pieces())]


Write = Callable[[Portable, Path, str], None]
"""Writes a model into an empty folder, with weights of the precision that is named."""


def _no_command(model: Portable, path: Path) -> str:
    return ""


@dataclass(frozen=True)
class Target:
    """A kind of export."""

    name: str
    write: Write
    precisions: tuple[str, ...]
    """Those that --quantize takes, the default first."""
    command: Callable[[Portable, Path], str] = _no_command
    """The command, or the code, that loads what lies at a path."""
