"""What the folder of an aligned run remembers: the method, the run it began from, the examples, and every setting.

settings.toml holds them as [run], the model's shape as [model], and one table a group of settings. The tokenizer is
copied, so that the folder is whole by itself; one that was trained without the marks of a conversation gets them here.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from modou import storage
from modou.errors import UserError
from modou.runs import checkpoints
from modou.runs.folder import RunFolder, find_checkpoint, method_of
from modou.settings.model import ModelSettings
from modou.settings.train import Trained
from modou.tokenizer.tokenizer import Tokenizer
from modou.tokenizer.training import CONTROLS

G = TypeVar("G", bound=Trained)
RULES = ("exact", "poem")
"""Judges that are rules, not models."""
REMEMBERED = ("method", "base", "base_sha256", "data", "data_sha256", "columns", "judge", "judge_sha256")


@dataclass(frozen=True)
class Beginning(Generic[G]):
    """How an aligned run was begun. `base_sha256` names the weights it starts from, `data_sha256` the file's bytes."""

    method: str
    base: str
    base_sha256: str
    data: str
    data_sha256: str
    columns: str
    settings: G
    judge: str = ""
    """What scores answers: a rule's name, or the folder of a reward model."""
    judge_sha256: str = ""

    def differences(self, now: "Beginning[G]") -> list[str]:
        """What the same command with other words would change, as "option here → asked"."""
        found = [
            f"{name} {before} → {after}"
            for name, before, after, same in (
                ("RUN", self.base, now.base, self.base_sha256 == now.base_sha256),
                ("DATA", self.data, now.data, self.data_sha256 == now.data_sha256),
                ("--columns", self.columns, now.columns, self.columns == now.columns),
                ("--judge", self.judge, now.judge, self.judge_sha256 == now.judge_sha256),
            )
            if not same
        ]
        here = self.settings.model_dump()
        for group, values in now.settings.model_dump(exclude_unset=True).items():
            for name, value in values.items():
                if here[group][name] != value:
                    found.append(f"--{group}.{name} {here[group][name]} → {value}")
        return found


def name_beginning(method: str, base: Path, data: Path, columns: str, settings: G, judge: str = "") -> Beginning[G]:
    """What a command asks for. UserError: no such run or file."""
    if method_of(RunFolder(base)) == "reward":
        raise UserError("align.no_base", path=base)
    if not data.is_file():
        raise UserError("text.not_a_file" if data.exists() else "text.file_missing", path=data)
    if judge and judge not in RULES and not RunFolder(Path(judge)).exists():
        raise UserError("align.not_a_judge", path=judge, rules=", ".join(RULES))
    judged = judge if judge in ("", *RULES) else weights_sha256(Path(judge))
    data_sha256 = storage.sha256_file(data)
    return Beginning(method, str(base), weights_sha256(base), str(data), data_sha256, columns, settings, judge, judged)


def weights_sha256(run: Path) -> str:
    """Names the weights that a run would be loaded with. UserError: no run, no checkpoint."""
    found = find_checkpoint(RunFolder(run))
    weights = checkpoints.read_state(found.path).get("weights", "model")
    return storage.sha256_file(found.path / f"{weights}.safetensors")


def marked(base: RunFolder) -> tuple[Tokenizer, ModelSettings, list[str]]:
    """A base's tokenizer and shape, with the marks of a conversation and a token for each; and those it lacked.

    UserError: no tokenizer of ours, or not this model's.
    """
    tokenizer = Tokenizer.load(base.tokenizer, extend=True)
    shape = ModelSettings.parse(base.read_settings().get("model", {}))
    added = [piece for piece in tokenizer.pieces()[shape.vocabulary :] if piece in CONTROLS]
    if tokenizer.vocabulary != shape.vocabulary + len(added):
        raise UserError("generate.vocabularies_differ", model=shape.vocabulary, tokenizer=tokenizer.vocabulary)
    return tokenizer, shape.changed(vocabulary=tokenizer.vocabulary), added


def take_up(folder: RunFolder, asked: Beginning[G]) -> Beginning[G]:
    """The beginning that the folder remembers, if it is this one; else it is begun. UserError names what differs.

    Until something was trained all may still change. Afterwards files may lie elsewhere than before: what counts is
    what is in them.
    """
    if not folder.exists() or not checkpoints.steps(folder.checkpoints):
        write_beginning(folder, asked, planned=False)
        return asked
    tables = folder.read_settings()
    run = tables.pop("run", {})
    tables.pop("model", None)
    if run.get("method") is None:
        raise UserError("align.not_aligned", path=folder.path)
    if run["method"] != asked.method:
        raise UserError("pipeline.other_settings", path=folder.path, differences=f"{run['method']} → {asked.method}")
    here = Beginning(**{name: run.get(name, "") for name in REMEMBERED}, settings=type(asked.settings).parse(tables))
    differences = here.differences(asked)
    if differences:
        raise UserError("pipeline.other_settings", path=folder.path, differences="; ".join(differences))
    return replace(asked, settings=here.settings)


def write_beginning(folder: RunFolder, beginning: Beginning[Any], planned: bool) -> None:
    """settings.toml: all options once planned, before only those that were set; and the tokenizer."""
    base = RunFolder(Path(beginning.base))
    _, shape, _ = marked(base)
    run = {name: getattr(beginning, name) for name in REMEMBERED}
    tables: dict[str, Any] = {
        "run": {**run, "planned": planned},
        "model": shape.model_dump(),
        **beginning.settings.model_dump(exclude_unset=not planned),
    }
    if not planned:
        folder.tokenizer.mkdir(parents=True, exist_ok=True)
        for path in base.tokenizer.iterdir():
            storage.write_bytes_atomically(folder.tokenizer / path.name, path.read_bytes())
    folder.write_settings(tables)
