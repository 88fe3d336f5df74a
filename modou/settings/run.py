"""All settings of a pretraining run, as in its settings.toml."""

from modou.settings.evaluate import EvaluateSettings
from modou.settings.model import ModelSettings
from modou.settings.text import CleanSettings, TokenizerSettings
from modou.settings.train import PretrainSettings, Trained


class RunSettings(Trained):
    """All settings of `modou run`, from cleaning to evaluation."""

    train: PretrainSettings = PretrainSettings()  # pyright: ignore[reportIncompatibleVariableOverride] (it is frozen)
    """Training loop."""
    clean: CleanSettings = CleanSettings()
    """Cleaning."""
    tokenizer: TokenizerSettings = TokenizerSettings()
    """Tokenizer."""
    model: ModelSettings = ModelSettings()
    """Model."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """Evaluation."""
