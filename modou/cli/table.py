"""The commands and their options, as data."""

from dataclasses import dataclass, field
from typing import Literal

from modou.settings.align import DpoRun, GrpoRun, PpoRun, RewardRun, SftRun
from modou.settings.base import Groups
from modou.settings.run import RunSettings

Kind = Literal["value", "switch", "list"]


@dataclass(frozen=True)
class Command:
    """One command: the words it takes, its own options, the groups of settings, and the groups' short names."""

    name: str
    words: tuple[str, ...] = ()
    """Positional arguments; "[X]" may be left out."""
    own: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    """Short flag -> setting."""
    root: type[Groups] = RunSettings
    """Where the groups stand."""


OWN: dict[str, tuple[Kind, str]] = {
    "minutes": ("value", "M"),
    "preset": ("value", "NAME"),
    "out": ("value", "DIR"),
    "extend": ("switch", ""),
    "size": ("value", "BYTES"),
    "seed": ("value", "N"),
    "checkpoint": ("value", "WHICH"),
    "device": ("value", "DEVICE"),
    "columns": ("value", "NAMES"),
    "judge": ("value", "JUDGE"),
    "methods": ("value", "NAMES"),
    "count": ("value", "N"),
    "json": ("switch", ""),
    "lang": ("value", "zh|en"),
    "help": ("switch", ""),
}
"""Options that are no settings: what they hold, and how their value is called."""
COMMON = ("json", "lang", "help")
_SHAPE = {f"--{name}": f"model.{name}" for name in ("style", "position", "layers", "width")}
_SAMPLING = {
    f"--{name.replace('_', '-')}": f"sampling.{name}" for name in ("tokens", "temperature", "top_k", "top_p", "samples")
}
_TRAINED = ("clean", "tokenizer", "model", "train", "optimizer", "schedule", "sampling", "evaluate")

COMMANDS = {
    command.name: command
    for command in (
        Command(
            "run",
            ("[BOOK]",),
            ("minutes", "preset", "out", "extend", *COMMON),
            _TRAINED,
            {**_SHAPE, "--seed": "train.seed", **_SAMPLING},
        ),
        Command(
            "plan",
            ("BOOK",),
            ("minutes", "preset", "out", *COMMON),
            ("clean", "tokenizer", "model", "train", "optimizer", "schedule"),
            {**_SHAPE, "--seed": "train.seed"},
        ),
        Command("doctor", ("[RUN]",), ("out", *COMMON)),
        Command("corpus", ("NAME", "FILE"), ("size", "seed", *COMMON)),
        Command("clean", ("BOOK",), ("out", "preset", *COMMON), ("clean",)),
        Command("tokenizer", ("[RUN]",), ("out", "preset", *COMMON), ("tokenizer",)),
        Command(
            "pretrain",
            ("[RUN]",),
            ("minutes", "preset", "out", *COMMON),
            ("model", "train", "optimizer", "schedule", "sampling", "evaluate"),
            {**_SHAPE, "--seed": "train.seed", **_SAMPLING},
        ),
        Command("evaluate", ("[RUN]",), ("out", "checkpoint", *COMMON), ("evaluate", "sampling"), _SAMPLING),
        Command("report", ("[RUN]",), ("out", *COMMON)),
        Command(
            "generate",
            ("RUN", "[PROMPT]"),
            ("checkpoint", "device", *COMMON),
            ("sampling",),
            {**_SAMPLING, "--seed": "sampling.seed"},
        ),
        Command(
            "chat",
            ("RUN",),
            ("checkpoint", "device", "lang", "help"),
            ("sampling",),
            {**{flag: to for flag, to in _SAMPLING.items() if flag != "--samples"}, "--seed": "sampling.seed"},
        ),
        Command("task", ("TASK", "DIR"), ("seed", *COMMON)),
        Command("data", ("ACTION", "DATA", "[RUN]"), ("columns", *COMMON)),
        Command(
            "pairs",
            ("RUN", "DATA", "FILE"),
            ("columns", *COMMON),
            ("sampling",),
            {**_SAMPLING, "--seed": "sampling.seed"},
        ),
        Command("align", ("TASK",), ("minutes", "methods", "out", *COMMON)),
        Command(
            "sft",
            ("RUN", "DATA"),
            ("out", "columns", *COMMON),
            ("sft", "replay", "train", "optimizer", "schedule", "sampling"),
            {"--epochs": "sft.epochs", "--minutes": "train.minutes", "--seed": "train.seed", **_SAMPLING},
            SftRun,
        ),
        Command(
            "compare",
            ("DATA", "RUN..."),
            ("judge", "count", "out", "columns", *COMMON),
            ("sampling",),
            {**_SAMPLING, "--seed": "sampling.seed"},
        ),
        Command(
            "prefer",
            ("RUN", "DATA", "FILE"),
            ("columns", "lang", "help"),
            ("sampling",),
            {**_SAMPLING, "--seed": "sampling.seed"},
        ),
        Command(
            "reward",
            ("RUN", "DATA"),
            ("out", "columns", *COMMON),
            ("reward", "train", "optimizer", "schedule"),
            {"--epochs": "reward.epochs", "--minutes": "train.minutes", "--seed": "train.seed"},
            RewardRun,
        ),
        Command(
            "dpo",
            ("RUN", "DATA"),
            ("out", "columns", *COMMON),
            ("dpo", "replay", "train", "optimizer", "schedule", "sampling"),
            {"--epochs": "dpo.epochs", "--minutes": "train.minutes", "--seed": "train.seed", **_SAMPLING},
            DpoRun,
        ),
        Command(
            "ppo",
            ("RUN", "DATA"),
            ("judge", "out", "columns", *COMMON),
            ("ppo", "rollout", "replay", "train", "optimizer", "schedule"),
            {"--rounds": "rollout.rounds", "--minutes": "train.minutes", "--seed": "train.seed"},
            PpoRun,
        ),
        Command(
            "grpo",
            ("RUN", "DATA"),
            ("judge", "out", "columns", *COMMON),
            ("grpo", "rollout", "replay", "train", "optimizer", "schedule"),
            {"--rounds": "rollout.rounds", "--minutes": "train.minutes", "--seed": "train.seed"},
            GrpoRun,
        ),
    )
}
