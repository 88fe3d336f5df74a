"""All settings of a pretraining run, as in its settings.toml."""

from typing import ClassVar

from pydantic import Field

from modou.settings.evaluate import EvaluateSettings
from modou.settings.model import ModelSettings
from modou.settings.text import CleanSettings, TokenizerSettings
from modou.settings.train import LoraSettings, PretrainSettings, Trained

MINUTES = 30.0
"""Default time limit of training, unless minutes or steps are set."""


class RunSettings(Trained):
    """All settings of `modou run`, from cleaning to evaluation."""

    planned: ClassVar[tuple[str, ...]] = (
        *("tokenizer.vocabulary", "model.dropout", "optimizer.weight_decay", "train.evaluate_every"),
    )
    planned_in_time: ClassVar[tuple[str, ...]] = (
        *("model.layers", "model.width", "model.heads", "model.context", "train.batch", "train.steps"),
    )

    train: PretrainSettings = Field(default_factory=PretrainSettings)  # pyright: ignore[reportIncompatibleVariableOverride] (it is frozen)
    """Training loop."""
    clean: CleanSettings = Field(default_factory=CleanSettings)
    """Cleaning."""
    tokenizer: TokenizerSettings = Field(default_factory=TokenizerSettings)
    """Tokenizer."""
    model: ModelSettings = Field(default_factory=ModelSettings)
    """Model."""
    lora: LoraSettings = Field(default_factory=LoraSettings)
    """Low-rank adapters."""
    evaluate: EvaluateSettings = Field(default_factory=EvaluateSettings)
    """Evaluation."""
