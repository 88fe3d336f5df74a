"""What a run folder remembers of how it was begun, so that the same command goes on and another one is refused.

settings.toml holds a [run] table (source, its fingerprint, whether the plan is made) and one table a group of settings:
before the plan only what the user set, afterwards every option.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from modou import storage
from modou.corpora import named as corpora
from modou.errors import UserError
from modou.runs.folder import RunFolder
from modou.settings.run import RunSettings


@dataclass(frozen=True)
class Frozen:
    """A run's beginning."""

    source: str
    fingerprint: str
    planned: bool
    settings: RunSettings
    extended: bool = False
    """Trained longer than first asked for: the budget of the first command is no longer a difference."""

    @classmethod
    def read(cls, folder: RunFolder) -> Self:
        """From settings.toml. UserError: not a run, or not ours."""
        tables = folder.read_settings()
        run = tables.pop("run", {})
        try:
            kept = {name: run[name] for name in ("source", "fingerprint", "planned")}
        except KeyError:
            raise UserError("pipeline.settings_incomplete", path=folder.settings) from None
        return cls(**kept, settings=RunSettings.parse(tables), extended=run.get("extended", False))

    def write(self, folder: RunFolder) -> None:
        """To settings.toml: all options once planned, else those that were set."""
        values = asdict(replace(self, settings=RunSettings()))
        del values["settings"]
        folder.write_settings({"run": values, **self.settings.model_dump(exclude_unset=not self.planned)})

    def planned_as(self, settings: RunSettings) -> Self:
        """With the plan made."""
        return replace(self, settings=settings, planned=True)

    def differences(self, source: str | None, asked: RunSettings, done: Sequence[str] = ()) -> list[str]:
        """What `asked` would change of what can no longer change, as "option here → asked".

        Before the plan that is the source and the groups of stages that are `done`; afterwards everything.
        """
        found: list[str] = []
        if source is not None and fingerprint(source) != self.fingerprint:
            found.append(f"{self.source} → {source}")
        here = self.settings.model_dump()
        for group, values in (without_budget(asked) if self.extended else asked).model_dump(exclude_unset=True).items():
            for name, value in values.items() if self.planned or group in done else ():
                if here[group][name] != value:
                    found.append(f"{group}.{name} {here[group][name]} → {value}")
        return found


def without_budget(asked: RunSettings) -> RunSettings:
    """What is asked for beside steps and minutes."""
    values = asked.model_dump(exclude_unset=True)
    for name in ("steps", "minutes"):
        values.get("train", {}).pop(name, None)
    return RunSettings.parse(values)


def fingerprint(source: str) -> str:
    """Hash of what a source holds: a named corpus by its name, files by their contents. UserError: no such source."""
    if corpora.is_named(source):
        return source
    path = Path(source)
    if not path.exists():
        raise UserError("text.no_such_source", source=source, names=", ".join(corpora.NAMES))
    if path.is_file():
        return storage.sha256_file(path)
    whole = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            whole.update(f"{file.relative_to(path)} {storage.sha256_file(file)}\n".encode())
    return whole.hexdigest()


def default_folder(source: str) -> Path:
    """runs/NAME of a source."""
    name = source if corpora.is_named(source) else Path(source).resolve().name
    for ending in (".gz", ".jsonl", ".json", ".txt", ".md"):
        name = name.removesuffix(ending)
    return Path("runs") / (name or "book")
