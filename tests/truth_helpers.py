"""Who reads what: every field of settings that code reads, with its value, and every own option of a command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args, get_origin

import pytest

from modou.cli.arguments import Option
from modou.cli.asked import Asked
from modou.settings.base import Settings

GIVEN = {
    "tokenizer.kind": "unigram",
    "tokenizer.vocabulary": "330",
    "tokenizer.threads": "1",
    "model.style": "classic",
    "model.position": "rope",
    "model.layers": "1",
    "model.width": "16",
    "model.heads": "2",
    "model.hidden": "24",
    "model.context": "64",
    "train.steps": "2",
    "train.minutes": "5",
    "train.batch": "4",
    "train.micro_batch": "2",
    "train.evaluate_every": "2",
    "evaluate.quick_characters": "201",
    "evaluate.written_characters": "501",
    "evaluate.prompts": "你",
    "evaluate.lengths": "2",
    "sampling.tokens": "6",
    "sampling.samples": "7",  # no number that a command would find by itself
    "sampling.stop": "天",
    "rollout.rounds": "1",
    "rollout.prompts": "4",
    "rollout.group": "2",
    "rollout.tokens": "6",
    "rollout.held_out": "3",
    "sft.epochs": "0.5",
    "clean.columns": "text=text",
    "clean.encoding": "utf-8",
    "clean.keep": "no such line",
    "clean.skip": "unwrap",
    # What the other values ask of a machine, or of the other options, is not to be had here.
    "model.kv_heads": "0",
    "model.head_size": "8",
    "model.qk_norm": "yes",
    "train.threads": "1",
    "train.device": "cpu",
    "train.precision": "float32",
    "train.parallel": "ddp",
    "train.track": "none",
    "train.compile": "no",
    "optimizer.name": "muon",
    "reward.kind": "scalar",
    "lora.rank": "0",
}
"""Values that are small, or fit one another; any other option gets one that differs from its default."""


def other_value(option: Option) -> str:
    """A value to give an option: "yes" or "no" to a switch."""
    if option.name in GIVEN:
        return GIVEN[option.name]
    if option.kind == "switch":
        return "no" if option.default else "yes"
    annotation = option.field.annotation if option.field else None
    if get_origin(annotation) is Literal:
        return next(choice for choice in get_args(annotation) if choice != option.default)
    if isinstance(option.default, int):
        return str(option.default + 1)
    return str(option.default / 2 or 0.1)


def as_words(option: Option, value: str) -> list[str]:
    """An option and its value as they are written on a command line."""
    if option.kind == "switch":
        return [f"--{'' if value == 'yes' else 'no-'}{option.name}"]
    return [f"--{option.name}", value]


class Reads:
    """What was read: (class of settings, field, value), and the names of own options."""

    def __init__(self) -> None:
        self.fields: set[tuple[type[Settings], str, str]] = set()
        self.own: set[str] = set()

    def has(self, settings: type[Settings], option: Option, value: Any) -> bool:
        """Whether that value of an option of settings was read."""
        return (settings, option.name.split(".")[1], repr(value)) in self.fields


@contextmanager
def watched(patch: pytest.MonkeyPatch) -> Iterator[Reads]:
    """Within it, reads are kept. What settings read of themselves when they are checked does not count."""
    reads = Reads()

    def field(self: Settings, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name in type(self).model_fields:
            caller = sys._getframe(1)
            checks = "modou/settings/" in caller.f_code.co_filename and caller.f_code.co_name.startswith("_")
            if not checks:
                reads.fields.add((type(self), name, repr(value)))
        return value

    item, switched = Asked.__getitem__, Asked.switched

    def own(self: Asked, name: str) -> Any:
        reads.own.add(name)
        return item(self, name)

    def switch(self: Asked, name: str) -> bool:
        reads.own.add(name)
        return switched(self, name)

    with patch.context() as inner:
        inner.setattr(Settings, "__getattribute__", field)
        inner.setattr(Asked, "__getitem__", own)
        inner.setattr(Asked, "switched", switch)
        yield reads
