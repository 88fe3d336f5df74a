"""All settings of a run, as they stand in its settings.toml."""

from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from modou.errors import UserError
from modou.settings.base import Settings, read_toml
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


def preset_names() -> list[str]:
    """Presets that ship with modou."""
    return sorted(
        item.name.removesuffix(".toml") for item in files("modou.presets").iterdir() if item.name.endswith(".toml")
    )


def read_preset(name: str) -> dict[str, Any]:
    """The tables of a preset: the name of one that ships, or the path of a TOML file. UserError: neither."""
    if name.endswith(".toml"):
        return read_toml(Path(name))
    if name not in preset_names():
        raise UserError("settings.no_such_preset", name=name, names=", ".join(preset_names()))
    return read_toml(Path(str(files("modou.presets").joinpath(f"{name}.toml"))))
