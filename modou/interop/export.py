"""`modou export RUN --to TARGET`: a run's model as a folder of files for other software.

The folder is built beside its place and renamed, so that no half of one is ever there. It holds modou/export.json, a
list of its files, by which a later export knows that it may replace it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modou import storage
from modou.interop.adapter import ADAPTER
from modou.interop.exports import target
from modou.interop.portable import About, LowRank, Portable
from modou.messages import UserError
from modou.model.gpt import GPT
from modou.model.lora import AdaptedGPT
from modou.report import values as v
from modou.runs.folder import LITTER, RunFolder
from modou.runs.record import Record, ancestors, weights_sha256
from modou.runs.stages import read_stage
from modou.runs.weights import answers, load_network, load_tokenizer, load_weights
from modou.settings.methods import METHODS
from modou.settings.sampling import SamplingSettings
from modou.tokenizer.tokenizer import Tokenizer
from modou.train.events import StageBegan, StageEnded, StageEvent, StageProgress

MARK = "modou/export.json"
_FORMAT = 1


@dataclass(frozen=True)
class ExportFacts:
    """An export that was written."""

    target: str
    """What it is for."""
    path: str
    """The folder."""
    step: int
    """Of the checkpoint."""
    precision: str
    """Type of the weights."""
    bytes: int
    """Size of all files."""
    files: dict[str, int]
    """Size of each file."""
    command: str
    """What loads it."""


@dataclass(frozen=True)
class ExportRequest:
    """What is asked of an export."""

    target: str
    out: Path | None = None
    """The folder; None: RUN-TARGET, beside the run."""
    precision: str | None = None
    """None: the target's own."""
    which: str | int = "best"
    """The checkpoint."""
    adapter: bool = False
    """Low-rank adapters by themselves, to be put on an export of the base."""
    base: str | None = None
    """That export; None: BASE-hf, beside the base."""


def load_portable(run: RunFolder, which: str | int = "best") -> Portable:
    """The model of a run, adapters merged, with what an export needs to know of it.

    UserError: as `load_weights`; an implicit reward model, which no other library has.
    """
    record = Record[Any].read(run)
    if METHODS[record.method].network(record.settings) == "implicit":
        raise UserError("interop.implicit", path=run.path)
    return _portable(run, record, *load_weights(run, which))


def _portable(run: RunFolder, record: Record[Any], model: GPT, tokenizer: Tokenizer, step: int) -> Portable:
    method = METHODS[record.method]
    return Portable(
        name=run.path.resolve().name,
        settings=model.settings,
        weights={name: tensor.detach() for name, tensor in model.state_dict().items()},
        tokenizer=tokenizer,
        answers=answers(run),
        sampling=getattr(record.settings, "sampling", SamplingSettings()),
        scores=method.scores,
        step=step,
        about=_about(run, record, step),
    )


def load_adapted(run: RunFolder, which: str | int = "best", base: str | None = None) -> Portable:
    """The model of a run with its adapters beside the weights of the base; `base`: see `ExportRequest`.

    UserError: as `load_network`; no adapters; a base that is no longer the same.
    """
    record = Record[Any].read(run)
    if METHODS[record.method].network(record.settings) != "adapted":
        raise UserError("interop.no_adapters", path=run.path)
    source = record.inputs["base"]
    folder = RunFolder(Path(source.path))
    if folder.exists() and weights_sha256(folder) != source.sha256:
        raise UserError("interop.adapter_base_changed", path=run.path, base=folder.path)
    model, tokenizer, step = load_network(run, which)
    assert isinstance(model, AdaptedGPT)
    place = base or _beside(folder.path, "hf").as_posix()
    rows_added = not folder.exists() or load_tokenizer(folder).lacking != tokenizer.lacking
    low_rank = LowRank(place, *model.adapters, rows_added=rows_added)
    return replace(_portable(run, record, model, tokenizer, step), adapters=low_rank)


def _beside(run: Path, kind: str) -> Path:
    """RUN-KIND beside a run."""
    whole = run.resolve()
    return (whole if run.name in ("", "..") else run).with_name(f"{whole.name}-{kind}")


def _about(run: RunFolder, record: Record[Any], step: int) -> About:
    """What the run's report, and the run that it comes from, tell."""
    runs = [*ancestors(run)][::-1]
    inputs = [Record[Any].read(one).inputs for one in runs]
    texts = [own[name].path for own in inputs for name in ("source", "book", "data") if name in own]
    first = read_stage(runs[0], "data") if "source" in inputs[0] else None
    report = _report(run)
    return About(
        method=record.method,
        texts=tuple(Path(path).name for path in texts),
        language=v.words_at(_report(runs[0]), "run.language") or "",
        licence=v.words_at(first.numbers, "licence") or "" if first else "",
        report=report if v.number(report, "checkpoint.step") == step else {},
    )


def _report(run: RunFolder) -> v.Values:
    return v.group({"report": storage.read_json(run.report_json)}, "report") if run.report_json.is_file() else {}


def export(run: RunFolder, asked: ExportRequest) -> Iterator[StageEvent]:
    """Writes an export.

    UserError: no such target or precision; as `load_portable` and the target's `write`; the folder holds other files;
    disk full, no permission.
    """
    kind = target(asked.target)
    precision = asked.precision or kind.precisions[0]
    if precision not in kind.precisions:
        names = ", ".join(kind.precisions)
        raise UserError("interop.no_such_precision", target=kind.name, name=precision[:60], names=names)
    run.require()
    if asked.base is not None and not asked.adapter:
        raise UserError("interop.base_without_adapter")
    if asked.adapter:
        if kind.name != "hf":
            raise UserError("interop.adapter_elsewhere", target=kind.name)
        kind = ADAPTER
    out = asked.out or _beside(run.path, kind.name)
    require_replaceable(out)
    yield StageBegan("export", 1, 1)
    yield StageProgress("export", 0, 2)
    model = load_adapted(run, asked.which, asked.base) if asked.adapter else load_portable(run, asked.which)
    yield StageProgress("export", 1, 2)
    files = build(out, kind.name, lambda folder: kind.write(model, folder, precision))
    size = sum(files.values())
    facts = ExportFacts(kind.name, str(out), model.step, precision, size, files, kind.command(model, out))
    yield StageEnded("export", facts)


def require_replaceable(out: Path) -> None:
    """UserError unless `out` is missing, empty, or an export of ours, unchanged, and nothing else."""
    with storage.user_errors(out):
        if not out.exists() and not out.is_symlink():
            return
        if not out.is_dir() or out.is_symlink():
            raise UserError("interop.out_is_a_file", path=out)
        found = {file.relative_to(out).as_posix() for file in out.rglob("*") if not _may_go(file)} - {MARK}
        known = v.group({"mark": storage.read_json(out / MARK)}, "mark.files") if (out / MARK).is_file() else {}
        foreign = sorted(name for name in found if name not in known or known[name] != storage.sha256_file(out / name))
    if foreign:
        entries = ", ".join(foreign[:3]) + (" …" if len(foreign) > 3 else "")
        raise UserError("interop.out_is_foreign", path=out, entries=entries)


def _may_go(path: Path) -> bool:
    return path.name in LITTER or (path.is_dir() and not path.is_symlink())


def build(out: Path, name: str, write: Callable[[Path], None]) -> dict[str, int]:
    """Has a folder written and puts it in the place of `out`; returns the sizes of its files.

    On an error, and when interrupted, nothing is changed.
    """
    whole = out.resolve()
    temporary = storage.temporary_name(whole)
    with storage.user_errors(out):
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            write(temporary)
            (temporary / MARK).parent.mkdir(exist_ok=True)
            files = [file for file in sorted(temporary.rglob("*")) if file.is_file()]
            sizes = {file.relative_to(temporary).as_posix(): _synced(file) for file in files}
            hashes = {file: storage.sha256_file(temporary / file) for file in sizes}
            mark = {"format": _FORMAT, "target": name, "files": hashes}
            storage.write_json_atomically(temporary / MARK, mark)
            storage.replace_folder(whole, temporary)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return sizes


def _synced(file: Path) -> int:
    """The size of a file that is now surely on the disk."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
        return os.fstat(stream.fileno()).st_size
