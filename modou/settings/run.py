"""All settings of a run, as they stand in its settings.toml."""

from typing import Any, get_args

from modou.settings.base import Settings
from modou.settings.evaluate import EvaluateSettings
from modou.settings.model import ModelSettings
from modou.settings.text import CleanSettings, TokenizerSettings
from modou.settings.train import PretrainSettings, Trained


class RunSettings(Trained):
    """From a book to a model: one group a stage."""

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


def option_names(root: type[Settings] = RunSettings) -> dict[str, Any]:
    """Every option as {"group.field": annotation}."""
    return {
        f"{group}.{name}": field.annotation
        for group, outer in root.model_fields.items()
        for name, field in _group_type(outer.annotation).model_fields.items()
        if field.annotation is not None
    }


def _group_type(annotation: Any) -> type[Settings]:
    assert not get_args(annotation)
    return annotation
