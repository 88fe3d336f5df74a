"""All settings of a run, as they stand in its settings.toml."""

from typing import Any, ClassVar, get_args

from modou.settings.base import Settings
from modou.settings.evaluate import EvaluateSettings
from modou.settings.model import ModelSettings
from modou.settings.text import CleanSettings, TokenizerSettings
from modou.settings.train import PretrainSettings, Trained

MINUTES = 30.0
"""How long a run trains where nobody says it, neither in minutes nor in steps."""


class RunSettings(Trained):
    """From a book to a model: one group a stage."""

    planned: ClassVar[tuple[str, ...]] = (
        *("tokenizer.vocabulary", "model.dropout", "optimizer.weight_decay", "train.evaluate_every"),
    )
    planned_in_time: ClassVar[tuple[str, ...]] = (
        *("model.layers", "model.width", "model.heads", "model.context", "train.batch", "train.steps"),
    )

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
