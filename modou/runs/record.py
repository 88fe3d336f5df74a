"""The record of a run (settings.toml): method, inputs and settings. The same command resumes it, another is refused.

The file has a checksum and the tables [run] (method, whether the plan is made), [inputs.NAME] for each input, [model]
and one for each group of settings: before the plan only the options the user set, afterwards all of them.

    book     the text of pretraining                     base    the run whose model is trained further
    data     a file of examples or questions             judge   what scores answers: a task's rules, or a reward model
    validation, test   texts to measure on, instead of parts of the book
    source   the directory that a model was imported from

Pretraining takes a base where it goes on from a trained model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import field_validator

from modou import storage
from modou.messages import UserError, text
from modou.runs.folder import RunFolder, find_checkpoint
from modou.runs.state import CheckpointState
from modou.settings.base import Settings
from modou.settings.methods import METHODS
from modou.settings.model import ModelSettings
from modou.settings.train import Trained

G = TypeVar("G", bound=Trained)
_WORDS = {"book": "BOOK", "base": "RUN", "data": "DATA", "source": "MODEL"}
FORMAT = 2
"""Format of settings.toml; versions before 0.1 had 1."""
_BYTES = {0xDC00 + byte: 0x10FF00 + byte for byte in range(0x80, 0x100)}
"""Bytes of a file's name that are not UTF-8: the half characters that Python reads them as, and how TOML keeps them."""


class Source(Settings):
    """One input of a run, with its SHA-256 at the start of the run."""

    kind: Literal["book", "run", "examples", "rule", "directory"]
    path: str
    """As given by the user: a file, a folder, a run, or a name."""
    sha256: str
    """Of a file's bytes, of a folder's files, or of a model's weights; for a name, the name."""
    columns: str = ""
    """The option --columns, for a file of examples."""

    @field_validator("path")
    @classmethod
    def _read(cls, path: str) -> str:
        return path.translate({kept: half for half, kept in _BYTES.items()})

    def kept(self) -> dict[str, str]:
        """Values for settings.toml."""
        return self.model_dump() | {"path": self.path.translate(_BYTES)}

    def holds_the_same(self, other: "Source") -> bool:
        """Whether both have the same content, at whatever path."""
        return (self.sha256, self.columns) == (other.sha256, other.columns)


class _Begun(Settings):
    """The table [run]."""

    method: str
    format: int
    planned: bool
    extended: bool


class _Inputs(Settings):
    """The tables [inputs.NAME]."""

    inputs: dict[str, Source]


@dataclass(frozen=True)
class Record(Generic[G]):
    """See the module's docstring."""

    method: str
    inputs: Mapping[str, Source]
    settings: G
    planned: bool = False
    extended: bool = False
    """Whether training was extended; then the first command's length does not count as a difference."""
    shape: ModelSettings | None = None
    """The model's shape (that of the base), for methods whose settings have none."""

    @classmethod
    def read(cls, run: RunFolder) -> Self:
        """Reads settings.toml. UserError: not a run, edited, or of another version."""
        tables = run.read_settings()
        begun = _Begun.parse(tables.pop("run", {}))
        if begun.format != FORMAT or begun.method not in METHODS:
            raise UserError("storage.older_run", path=run.path)
        inputs = _Inputs.parse({"inputs": tables.pop("inputs", {})}).inputs
        if any(name not in inputs for name in METHODS[begun.method].inputs):
            raise UserError("storage.seal_broken", path=run.settings)
        root: Any = METHODS[begun.method].settings
        shape = None if "model" in root.model_fields else ModelSettings.parse(tables.pop("model", {}))
        return cls(begun.method, inputs, root.parse(tables), begun.planned, begun.extended, shape)

    def write(self, run: RunFolder) -> None:
        """Writes settings.toml: all options once planned, else those that were set."""
        begun = _Begun(method=self.method, format=FORMAT, planned=self.planned, extended=self.extended)
        run.write_settings(
            {
                "run": begun.model_dump(),
                "inputs": {name: source.kept() for name, source in self.inputs.items()},
                **({"model": self.shape.model_dump()} if self.shape else {}),
                **self.settings.model_dump(exclude_unset=not self.planned),
            }
        )

    @property
    def model(self) -> ModelSettings:
        """The shape of the run's model."""
        own: Any = self.settings
        return self.shape or own.model

    @property
    def answers(self) -> bool:
        """Whether the run's model answers conversations (else it continues text, or only scores)."""
        own: Any = self.settings
        known = METHODS[self.method].answers
        return own.origin.answers if known is None else known

    def differences(self, asked: "Record[G]", fixed: Sequence[str] | None = None) -> list[str]:
        """The differences of the record `asked` from this one, as "option here → asked".

        fixed: the groups of settings to compare; None: all of them.
        """
        found = [text("run.other_method", here=self.method, asked=asked.method)] if self.method != asked.method else []
        for name, source in asked.inputs.items():
            here, word = self.inputs.get(name), input_word(self.method, name)
            if here is None:
                found.append(f"{word} {source.path}")
            elif not here.holds_the_same(source):
                found.append(_difference(word, here, source))
        own = self.settings.model_dump()
        for group, values in asked.settings.model_dump(exclude_unset=True).items():
            for name, value in values.items() if fixed is None or group in fixed else ():
                if own.get(group, {}).get(name) != value:
                    found.append(f"--{group}.{name} {own.get(group, {}).get(name)} → {value}")
        return found

    def with_settings(self, settings: G, planned: bool = False) -> "Record[G]":
        """A copy with other settings; planned: they are complete."""
        return replace(self, settings=settings, planned=planned or self.planned)


def input_word(method: str, name: str) -> str:
    """An input's name on the method's command line: a word of its own, or an option."""
    return _WORDS[name] if name in METHODS[method].inputs and name in _WORDS else f"--{name}"


def _difference(word: str, here: Source, asked: Source) -> str:
    if here.path == asked.path and here.columns == asked.columns:
        return text("run.input_changed", path=asked.path)
    if here.columns != asked.columns and here.sha256 == asked.sha256:
        return f"--columns {here.columns} → {asked.columns}"
    return f"{word} {here.path} → {asked.path}"


def weights_sha256(run: RunFolder) -> str:
    """SHA-256 of the weights that `load_model` loads. UserError: no run, no checkpoint."""
    found = find_checkpoint(run)
    weights = CheckpointState.read(found.path).weights
    with storage.user_errors(found.path):
        return storage.sha256_file(found.path / f"{weights}.safetensors")


def ancestors(run: RunFolder) -> Iterator[RunFolder]:
    """The run, its base, the base of that and so on to the pretrained run, as long as their folders exist.

    Ends at a folder that came before: a run may have replaced its own base.
    """
    seen = set[Path]()
    while run.exists() and run.path.resolve() not in seen:
        yield run
        seen.add(run.path.resolve())
        base = Record[Any].read(run).inputs.get("base")
        if base is None:
            return
        run = RunFolder(Path(base.path))


def pretraining_run(run: RunFolder) -> RunFolder:
    """The run itself, or its nearest ancestor, that was trained on a text; where none is left, the oldest ancestor."""
    lineage = list(ancestors(run))
    return next((one for one in lineage if "book" in Record[Any].read(one).inputs), lineage[-1])
