"""A layout: the same network under another library's names, shapes and configuration, in both directions.

A layout lists its `Part`s. One part is a tensor of ours and the tensors of theirs that hold the same numbers: cut into
rows, with rows in another order, or transposed. Everything else follows from the list: `tensors`, its inverse
`weights`, and what a file of theirs must hold. Pure functions: no file is read or written here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from modou.messages import UserError
from modou.model.gpt import GPT
from modou.settings.model import ModelSettings

Weights = Mapping[str, Tensor]
Config = dict[str, object]
KINDS = ("weight", "bias")
HEAD = "lm_head.weight"
_SHOWN = 3
"""Names in the message about tensors that do not fit."""


def _alone(tensor: Tensor) -> Sequence[Tensor]:
    return (tensor,)


def _only(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0]


@dataclass(frozen=True)
class Part:
    """One tensor of ours, and the tensors of theirs with the same numbers."""

    ours: str
    theirs: tuple[str, ...]
    split: Callable[[Tensor], Sequence[Tensor]] = _alone
    """Ours, (rows, ...), into theirs, before a transposition: it rearranges rows only."""
    join: Callable[[Sequence[Tensor]], Tensor] = _only
    """The inverse of `split`."""
    transposed: bool = False
    """Whether theirs are stored as (in, out)."""
    optional: bool = False
    """Whether a model of theirs may lack it: zeros then."""

    def given(self, tensor: Tensor) -> dict[str, Tensor]:
        """Their tensors, each in memory of its own."""
        parts = [part.t() if self.transposed else part for part in self.split(tensor)]
        copies = (part.clone(memory_format=torch.contiguous_format) for part in parts)
        return dict(zip(self.theirs, copies, strict=True))

    def taken(self, tensors: Weights) -> Tensor:
        """Our tensor."""
        parts = [tensors[name] for name in self.theirs]
        return self.join([part.t() if self.transposed else part for part in parts]).contiguous()


def cut(ours: str, theirs: Sequence[str], rows: Sequence[int]) -> Part:
    """Consecutive rows of ours as tensors of their own."""

    def split(tensor: Tensor) -> Sequence[Tensor]:
        return torch.split(tensor, list(rows))

    return Part(ours, tuple(theirs), split, lambda parts: torch.cat(list(parts)))


def heads_fill_width(settings: ModelSettings) -> bool:
    """Whether heads have the size width / heads, the only one that older layouts know."""
    return settings.head_width * settings.heads == settings.width


@dataclass(frozen=True)
class Layout:
    """One layout."""

    model_type: str
    """As in config.json."""
    causal: str
    """The class of transformers that writes text."""
    classifier: str
    """The class of transformers with a score at a position instead."""
    prefix: str
    """What their names begin with, apart from the head's; it may be missing in files."""
    table: str
    """The name of their embedding."""
    head: str
    """The name of their head where it is untied."""
    buffers: str
    """A regular expression of names in files that are no weights."""
    fits: Callable[[ModelSettings], bool]
    """Whether a model of ours has this layout."""
    parts: Callable[[ModelSettings], Iterator[Part]]
    """All parts, the head last."""
    config: Callable[[ModelSettings], Config]
    """config.json, without the ids of the tokenizer."""
    settings: Callable[[Config], ModelSettings]
    """The inverse of `config`. UserError: a key has a value that our model cannot have, or a wrong type."""

    def tensors(self, weights: Weights, settings: ModelSettings) -> dict[str, Tensor]:
        """Their names, shapes and order; a tied table is there once."""
        return {name: one for part in self.parts(settings) for name, one in part.given(weights[part.ours]).items()}

    def weights(self, tensors: Weights, settings: ModelSettings) -> dict[str, Tensor]:
        """The inverse of `tensors`; types stay. UserError: a tensor is missing, of another shape, or one too many."""
        named = self._named(tensors, settings)
        parts = list(self.parts(settings))
        expected = self._expected(settings)
        without = {name for part in parts if part.optional for name in part.theirs}
        if not without & named.keys():
            named |= {name: torch.zeros(expected[name].shape) for name in without}
        _require_same(expected, named)
        return {part.ours: part.taken(named) for part in parts}

    def _expected(self, settings: ModelSettings) -> dict[str, Tensor]:
        """Their tensors without memory, for names and shapes."""
        with torch.device("meta"):
            weights = GPT(settings).state_dict()
        return self.tensors(weights, settings)

    def _named(self, tensors: Weights, settings: ModelSettings) -> dict[str, Tensor]:
        """Without buffers and a tied head's copy, and with the prefix that files of the bare network lack."""
        named = {name: tensor for name, tensor in tensors.items() if not re.search(self.buffers, name)}
        if not any(name.startswith(self.prefix) for name in named):
            named = {self.prefix + name: tensor for name, tensor in named.items()}
        if HEAD in named:  # GPT-NeoX has two names for it
            named[self.head] = named.pop(HEAD)
        head, table = named.get(self.head), named.get(self.table)
        if settings.tied and head is not None and table is not None and torch.equal(head, table):
            del named[self.head]
        return named


def _require_same(expected: Weights, found: Weights) -> None:
    """UserError unless both have the same names and shapes."""
    missing = [name for name in expected if name not in found]
    surplus = [name for name in found if name not in expected]
    for key, names in (("interop.tensors_missing", missing), ("interop.tensors_surplus", surplus)):
        if names:
            more = f" … ({len(names)})" if len(names) > _SHOWN else ""
            raise UserError(key, names=", ".join(name[:80] for name in names[:_SHOWN]) + more)
    for name, tensor in expected.items():
        if found[name].shape != tensor.shape:
            shapes = {"found": tuple(found[name].shape), "wanted": tuple(tensor.shape)}
            raise UserError("interop.tensor_shape", name=name, **shapes)
