"""How a run is judged."""

from typing import Annotated

from pydantic import Field

from modou.settings.base import Settings


class EvaluateSettings(Settings):
    """What is measured on held-out chapters and on text the model writes."""

    quick_characters: Annotated[int, Field(ge=200)] = 6000
    """Validation characters read at each evaluation in training (the final figure reads all of them)."""
    written_characters: Annotated[int, Field(ge=500)] = 6000
    """Characters the model writes to be judged for novelty and variety."""
    prompts: tuple[str, ...] = ()
    """Beginnings to continue at every evaluation; none = openings of validation chapters."""
    lengths: tuple[Annotated[int, Field(ge=1, le=64)], ...] = ()
    """Also measure at these multiples of the training context (2 4 ...)."""
