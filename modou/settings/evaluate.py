"""Settings of evaluation."""

from typing import Annotated

from pydantic import Field

from modou.settings.base import Settings


class EvaluateSettings(Settings):
    """What is measured on held-out chapters and on generated text."""

    quick_characters: Annotated[int, Field(ge=200)] = 6000
    """Validation characters measured at each evaluation during training; the final evaluation measures all."""
    written_characters: Annotated[int, Field(ge=500)] = 6000
    """Generated characters on which novelty and diversity are measured."""
    prompts: tuple[str, ...] = ()
    """Prompts continued at every evaluation; none = openings of validation chapters."""
    lengths: tuple[Annotated[int, Field(ge=1, le=64)], ...] = ()
    """Also measure at these multiples of the training context (2,4,…)."""
