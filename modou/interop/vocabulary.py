"""The tokenizer of a Hugging Face directory: modou's own, which an export of modou keeps, or that of the model."""

from dataclasses import dataclass

from modou.interop.directory import ModelDirectory
from modou.tokenizer.tokenizer import Tokenizer

OWN = "modou"
"""The folder in which an export of modou keeps what other software does not read."""


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer, and what its marks are for."""

    tokenizer: Tokenizer
    answers: bool = False
    """Whether the model was trained to answer conversations written with the marks."""


def vocabulary_of(directory: ModelDirectory, rows: int) -> Vocabulary:
    """The tokenizer of a model with `rows` tokens. UserError: there is none that fits."""
    return Vocabulary(Tokenizer.load(directory.path / OWN))
