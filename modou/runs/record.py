"""How a run was begun, so that the same command goes on and another one is refused.

settings.toml, sealed, holds [run] (method, whether the plan is made), one [inputs.NAME] a source, [model] and one table
a group of settings: before the plan only what the user set, afterwards every option.

    book     the text that a model is pretrained on         base    the run that a method begins from
    data     a file of examples or questions                judge   what scores answers: a rule, or a reward model's run
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar

from modou import storage
from modou.corpora import named
from modou.errors import UserError
from modou.messages import text
from modou.runs.folder import RunFolder, find_checkpoint
from modou.runs.state import CheckpointState
from modou.settings.base import Settings
from modou.settings.methods import METHODS
from modou.settings.model import ModelSettings
from modou.settings.train import Trained

G = TypeVar("G", bound=Trained)
WORDS = {"book": "BOOK", "base": "RUN", "data": "DATA", "judge": "--judge"}
"""What a command line calls the inputs."""
FORMAT = 2
"""Of settings.toml; 1 was that of the versions before 0.1."""


class Source(Settings):
    """One input of a run: where it was found, and the SHA-256 of what it held then."""

    kind: Literal["book", "run", "examples", "rule"]
    path: str
    """As it was given: a file, a folder, a run, or a name."""
    sha256: str
    """Of a file's bytes, of a folder's files, of a run's weights; a name stands for itself."""
    columns: str = ""
    """What the columns of a file of examples mean, where it was said."""

    def holds_the_same(self, other: "Source") -> bool:
        """Whether both hold the same, wherever they lie."""
        return (self.sha256, self.columns) == (other.sha256, other.columns)


class _Begun(Settings):
    """The table [run]."""

    method: str
    format: int
    planned: bool
    extended: bool


class _Inputs(Settings):
    """The tables of inputs, by name."""

    inputs: dict[str, Source]


@dataclass(frozen=True)
class Record(Generic[G]):
    """How a run was begun, and what was planned since."""

    method: str
    inputs: Mapping[str, Source]
    settings: G
    planned: bool = False
    extended: bool = False
    """Trained longer than first asked for: the budget of the first command is no longer a difference."""
    shape: ModelSettings | None = None
    """The base's shape, where the method's settings have none of their own."""

    @classmethod
    def read(cls, run: RunFolder) -> Self:
        """From settings.toml. UserError: not a run, not as it was written, of another version."""
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
        """To settings.toml: all options once planned, else those that were set."""
        begun = _Begun(method=self.method, format=FORMAT, planned=self.planned, extended=self.extended)
        run.write_settings(
            {
                "run": begun.model_dump(),
                "inputs": {name: source.model_dump() for name, source in self.inputs.items()},
                **({"model": self.shape.model_dump()} if self.shape else {}),
                **self.settings.model_dump(exclude_unset=not self.planned),
            }
        )

    @property
    def model(self) -> ModelSettings:
        """The shape of the run's model."""
        own: Any = self.settings
        return self.shape or own.model

    def differences(self, asked: "Record[G]", fixed: Sequence[str] | None = None) -> list[str]:
        """What `asked` would change of what can no longer change, as "option here → asked".

        fixed: groups of settings that may no longer change; None = all of them.
        """
        found = [text("run.other_method", here=self.method, asked=asked.method)] if self.method != asked.method else []
        for name, source in asked.inputs.items():
            here = self.inputs.get(name)
            if here is not None and not here.holds_the_same(source):
                found.append(_difference(name, here, source))
        own = self.settings.model_dump()
        for group, values in asked.settings.model_dump(exclude_unset=True).items():
            for name, value in values.items() if fixed is None or group in fixed else ():
                if own.get(group, {}).get(name) != value:
                    found.append(f"--{group}.{name} {own.get(group, {}).get(name)} → {value}")
        return found

    def with_settings(self, settings: G, planned: bool = False) -> "Record[G]":
        """With other settings; planned: they are complete."""
        return replace(self, settings=settings, planned=planned or self.planned)


def _difference(name: str, here: Source, asked: Source) -> str:
    if here.path == asked.path and here.columns == asked.columns:
        return text("run.input_changed", path=asked.path)
    if here.columns != asked.columns and here.sha256 == asked.sha256:
        return f"--columns {here.columns} → {asked.columns}"
    return f"{WORDS[name]} {here.path} → {asked.path}"


def book_source(name: str) -> Source:
    """A text: the name of a corpus, a file, or a folder of files. UserError: no such source."""
    if named.is_named(name):
        return Source(kind="book", path=name, sha256=name)
    path = Path(name)
    if not path.exists():
        raise UserError("text.no_such_source", source=name, names=", ".join(named.NAMES))
    with storage.user_errors(path):
        return Source(kind="book", path=name, sha256=_content_sha256(path))


def run_source(path: Path) -> Source:
    """A run: its weights. UserError: no run, no checkpoint."""
    return Source(kind="run", path=str(path), sha256=weights_sha256(RunFolder(path)))


def examples_source(path: Path, columns: str = "") -> Source:
    """A file of examples. UserError: no such file."""
    if not path.is_file():
        raise UserError("text.not_a_file" if path.exists() else "text.file_missing", path=path)
    with storage.user_errors(path):
        return Source(kind="examples", path=str(path), sha256=storage.sha256_file(path), columns=columns)


def judge_source(name: str, rules: Sequence[str]) -> Source:
    """What scores answers: one of the `rules` by name, or the folder of a reward model. UserError: neither."""
    if name in rules:
        return Source(kind="rule", path=name, sha256=name)
    if not RunFolder(Path(name)).exists():
        raise UserError("align.not_a_judge", path=name, rules=", ".join(rules))
    return run_source(Path(name))


def weights_sha256(run: RunFolder) -> str:
    """SHA-256 of the weights that a run would be loaded with. UserError: no run, no checkpoint."""
    found = find_checkpoint(run)
    weights = CheckpointState.read(found.path).weights
    with storage.user_errors(found.path):
        return storage.sha256_file(found.path / f"{weights}.safetensors")


def line_of(run: RunFolder) -> Iterator[RunFolder]:
    """The run, the one it began from, and so on to the pretrained one, as far as their folders still lie there.

    A folder that came before ends the line: somebody gave a run the name of its own base.
    """
    seen = set[Path]()
    while run.exists() and run.path.resolve() not in seen:
        yield run
        seen.add(run.path.resolve())
        base = Record[Any].read(run).inputs.get("base")
        if base is None:
            return
        run = RunFolder(Path(base.path))


def _content_sha256(path: Path) -> str:
    if path.is_file():
        return storage.sha256_file(path)
    whole = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            name = str(file.relative_to(path)).encode("utf-8", "surrogateescape")
            whole.update(name + f" {storage.sha256_file(file)}\n".encode())
    return whole.hexdigest()
