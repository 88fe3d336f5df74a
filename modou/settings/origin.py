"""Settings of a model that was imported from other software: what is known of it."""

from pydantic import Field

from modou.settings.base import Settings
from modou.settings.model import ModelSettings
from modou.settings.train import Trained


class OriginSettings(Settings):
    """What an imported model was made for."""

    answers: bool = False
    """Whether it answers conversations that are written as modou writes them; else it continues a text."""


class ImportRun(Trained):
    """What is known of an imported model."""

    model: ModelSettings = Field(default_factory=ModelSettings)
    """Its shape."""
    origin: OriginSettings = Field(default_factory=OriginSettings)
    """Its purpose."""
