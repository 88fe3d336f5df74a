"""`modou import DIR --out RUN`: the model of a Hugging Face directory becomes a run folder.

Everything is read and checked before anything is written; the folder is made beside its place and renamed, so that it
is there whole or not at all.
"""

import math
import re
import shutil
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou import storage
from modou.interop.directory import ModelDirectory, open_directory
from modou.interop.layouts import Layout, layout_for
from modou.interop.vocabulary import Vocabulary, vocabulary_of
from modou.messages import UserError, quoted, text
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.progress import Progress
from modou.runs.record import Record, Source
from modou.runs.stages import done, write_stage
from modou.runs.state import CheckpointState
from modou.settings.methods import IMPORT
from modou.settings.model import ModelSettings
from modou.settings.origin import ImportRun
from modou.tokenizer.byte_level import FILE_NAME
from modou.train.environment import memory_gb
from modou.train.events import Event, Notice, RunEnded, StageBegan, StageEnded, StageName, StageProgress

STAGE: StageName = "data"
"""The one stage of an imported run; its record holds what was imported, and hashes of the tokenizer's files."""
_BESIDE = 1 << 26
"""Bytes of a run folder beside the weights, about."""


@dataclass(frozen=True)
class Imported:
    """What was imported."""

    source: str
    """The directory, as given."""
    layout: str
    """The layout, by its "model_type" in config.json."""
    parameters: int
    """Number of parameters; a tied table counts once."""
    dtypes: list[str]
    """Types of the numbers in the files: F32, F16 or BF16; those of the run are float32."""
    vocabulary: int
    """Number of tokens."""
    context: int
    """Context length in tokens."""
    answers: bool
    """Whether the model answers conversations; else it continues a text."""
    licence: str | None = None
    """As the model's card calls it; absent where it names none."""


def import_model(source: Path, out: Path, context: int | None = None) -> Iterator[Event]:
    """Makes the run folder `out`; one that holds this model already stays. context: fewer tokens than the model's own.

    UserError: a file that is missing or damaged, what cannot be represented, another run in `out`, no room.
    """
    yield StageBegan(STAGE, 1, 1)
    directory = open_directory(source)
    layout = layout_for(directory.config)
    shape = layout.settings(directory.config)
    vocabulary = vocabulary_of(directory, shape.vocabulary)
    record = Record(
        IMPORT.name,
        {"source": Source(kind="directory", path=str(source), sha256=directory.sha256())},
        ImportRun.parse({"model": _shortened(shape, context).model_dump(), "origin": {"answers": vocabulary.answers}}),
    )
    run = RunFolder(out)
    if _is_there(run, record, vocabulary):
        yield Notice(text("interop.imported_before", path=out))
    else:
        weights = yield from _weights(directory, layout, shape, record.model.context)
        found = _imported(directory, record, weights)
        _write(run, record, weights, vocabulary, found)
        yield StageEnded(STAGE, found)
    yield Notice(text("interop.next_chat" if record.answers else "interop.next_sft", path=quoted(str(out), plain=True)))
    yield RunEnded(out, True, answers=record.answers)


def _shortened(shape: ModelSettings, context: int | None) -> ModelSettings:
    """With another context. UserError: longer than the model's own."""
    if context is not None and context > shape.context:
        raise UserError("interop.context", context=context, most=shape.context)
    return shape if context is None else shape.changed(context=context)


def _is_there(run: RunFolder, record: Record[ImportRun], vocabulary: Vocabulary) -> bool:
    """Whether the folder holds what the record says, whole. UserError: it holds anything else."""
    if not run.exists():
        if run.path.exists():
            run.create()
        return False
    saved = run.checkpoints / checkpoints.folder_name(0)
    whole = done(run, STAGE) is not None and checkpoints.verify(saved) is None
    differences = Record[Any].read(run).differences(record)
    if whole and CheckpointState.read(saved).hashes != _hashes(vocabulary):
        differences.append(text("run.input_changed", path=FILE_NAME))
    if differences:
        remedy = text("pipeline.remedy_out")
        raise UserError("pipeline.other_settings", path=run.path, differences="; ".join(differences), remedy=remedy)
    return whole


def _hashes(vocabulary: Vocabulary) -> dict[str, str]:
    return {"tokenizer_sha256": vocabulary.tokenizer.sha256}


def _weights(
    directory: ModelDirectory, layout: Layout, shape: ModelSettings, context: int
) -> Generator[Event, None, dict[str, Tensor]]:
    """The weights under our names in float32. UserError: see `StoredTensor.read` and `Layout.weights`."""
    stored = {name: one for name, one in directory.tensors.items() if not re.search(layout.buffers, name)}
    for one in stored.values():
        one.require_number()
    size, read = sum(one.size for one in stored.values()), 0
    _require_memory(size + 4 * sum(math.prod(one.shape) for one in stored.values()))
    tensors: dict[str, Tensor] = {}
    for name, one in stored.items():
        tensors[name] = one.read()
        read += one.size
        yield StageProgress(STAGE, size + read, 3 * size)  # hashing before and writing after take about as long
    weights = layout.weights(tensors, shape)
    tensors.clear()  # so that the types of the files and float32 are not both held of all
    if "positions.weight" in weights:
        weights["positions.weight"] = weights["positions.weight"][:context].clone()
    return {name: weights.pop(name).float() for name in list(weights)}


def _require_memory(needed: int) -> None:
    """UserError: less memory than that, in bytes."""
    if 0 < memory_gb() * 2**30 < needed:
        raise UserError("interop.no_memory", needed=f"{needed / 2**30:.1f}", memory=f"{memory_gb():.1f}")


def _imported(directory: ModelDirectory, record: Record[ImportRun], weights: Mapping[str, Tensor]) -> Imported:
    shape = record.model
    return Imported(
        source=record.inputs["source"].path,
        layout=str(directory.config["model_type"]),
        parameters=sum(tensor.numel() for tensor in weights.values()),
        dtypes=sorted({tensor.dtype for tensor in directory.tensors.values()}),
        vocabulary=shape.vocabulary,
        context=shape.context,
        answers=record.answers,
        licence=directory.licence,
    )


def _write(
    run: RunFolder, record: Record[ImportRun], weights: Mapping[str, Tensor], vocabulary: Vocabulary, found: Imported
) -> None:
    """Makes the folder. UserError: no room, no permission; then nothing of it remains."""
    place = run.path.absolute()
    made = RunFolder(storage.temporary_name(place))
    state = CheckpointState(
        Progress(planned=0, steps=0),
        weights="model",
        hashes=_hashes(vocabulary),
        torch=torch.__version__,
    )
    with storage.user_errors(run.path):
        place.parent.mkdir(parents=True, exist_ok=True)
        _require_room(place.parent, 4 * found.parameters + _BESIDE)
        try:
            shutil.rmtree(made.path, ignore_errors=True)
            made.path.mkdir()
            vocabulary.tokenizer.save(made.tokenizer)
            record.write(made)
            write_stage(made, STAGE, found, sorted(made.tokenizer.iterdir()))
            checkpoints.save(made.checkpoints, 0, {"model": weights}, state.to_json())
            storage.replace_folder(place, made.path)
        except BaseException:
            shutil.rmtree(made.path, ignore_errors=True)
            raise


def _require_room(folder: Path, needed: int) -> None:
    """UserError: less free space than that."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError("interop.no_room", path=folder, needed=f"{needed / 1e9:.1f}", free=f"{free / 1e9:.1f}")
