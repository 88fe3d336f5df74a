"""Settings of sampling: how the next token is chosen."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

from pydantic import Field, field_validator

from modou.messages import UserError
from modou.settings.base import Settings


class SamplingSettings(Settings):
    """Generation. Filters act in this order: repetition penalty, no-repeat n-gram, temperature, top-k, top-p, min-p."""

    tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    """Maximum number of new tokens."""
    temperature: Annotated[float, Field(ge=0, le=100)] = 0.8
    """Sampling temperature; 0 = greedy, 1 = the model's own distribution."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Sample from the k most likely tokens; 0 = all."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Sample from the fewest tokens whose probabilities sum to this (nucleus sampling); 1 = all."""
    min_p: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Leave out tokens less probable than this share of the most likely one; 0 = none."""
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Above 1: lowers the logits of tokens already in the text (CTRL; Keskar et al. 2019); 1 = off."""
    no_repeat_ngram: Annotated[int, Field(ge=0, le=100)] = 0
    """No n-gram of this many tokens occurs twice; 0 = off."""
    stop: tuple[str, ...] = ()
    """Stop before any of these strings."""
    samples: Annotated[int, Field(ge=1, le=4096)] = 1
    """Samples per prompt."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Seed of the random numbers."""

    @field_validator("stop", mode="before")
    @classmethod
    def _one_is_a_list(cls, stop: Any) -> Any:
        return (stop,) if isinstance(stop, str) else stop

    @field_validator("stop")
    @classmethod
    def _not_empty(cls, stop: tuple[str, ...]) -> tuple[str, ...]:
        if "" in stop:
            raise UserError("generate.empty_stop")
        return stop

    @property
    def looks_back(self) -> bool:
        """Whether a filter depends on the text so far (repetition penalty, no-repeat n-gram)."""
        return self.repetition_penalty != 1 or self.no_repeat_ngram > 0


class SamplingOptions(TypedDict, total=False):
    """The fields of SamplingSettings as keyword arguments, without `samples`, for functions that generate one text."""

    tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    no_repeat_ngram: int
    stop: str | Sequence[str]
    seed: int


def with_options(settings: SamplingSettings, options: Mapping[str, Any]) -> SamplingSettings:
    """`settings` with some fields replaced. UserError: no such option (the names are listed), a value out of bounds."""
    for name in options:
        if name not in SamplingOptions.__annotations__:
            names = ", ".join(SamplingOptions.__annotations__)
            raise UserError("generate.no_such_option", option=name, names=names)
    return settings.changed(**options)
