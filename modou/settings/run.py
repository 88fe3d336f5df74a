"""All settings of a run, as they stand in its settings.toml."""

from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from modou.errors import UserError
from modou.settings.base import Settings, read_toml
from modou.settings.evaluate import EvaluateSettings
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings
from modou.settings.text import CleanSettings, TokenizerSettings
from modou.settings.train import OptimizerSettings, ScheduleSettings, TrainSettings


class RunSettings(Settings):
    """One group a stage. Options are named `--group.field` on the command line and `[group] field` in TOML."""

    clean: CleanSettings = CleanSettings()
    """Cleaning."""
    tokenizer: TokenizerSettings = TokenizerSettings()
    """Tokenizer."""
    model: ModelSettings = ModelSettings()
    """Model."""
    train: TrainSettings = TrainSettings()
    """Training loop."""
    optimizer: OptimizerSettings = OptimizerSettings()
    """Optimizer."""
    schedule: ScheduleSettings = ScheduleSettings()
    """Learning-rate schedule."""
    sampling: SamplingSettings = SamplingSettings()
    """Generation."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """Evaluation."""

    def with_values(self, values: dict[str, dict[str, Any]]) -> "RunSettings":
        """A copy with `{group: {field: value}}` set over what is set here. UserError names the first bad option."""
        merged = merge(self.model_dump(exclude_unset=True), values)
        return RunSettings.parse(merged)

    def is_set(self, group: str, field: str) -> bool:
        """Whether a flag, a preset or a plan chose this option (else it is a default)."""
        return field in getattr(self, group).model_fields_set


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested tables of `above` laid over those of `below`."""
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def option_names() -> dict[str, Any]:
    """Every option as {"group.field": annotation}."""
    return {
        f"{group}.{name}": field.annotation
        for group, outer in RunSettings.model_fields.items()
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
