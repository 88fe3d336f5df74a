"""A Hugging Face directory, read without trust: its configuration and its tensors, or one line that says what to do.

    config.json                                          the shape, and which layout it is
    model.safetensors or model.safetensors.index.json    the weights in one file, or a list of several
    README.md                                            the model's card, which may name a licence

Nothing is unpickled, no code of the directory is run, and an index names files of the directory only.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from modou import storage
from modou.interop.stored import HEADER, StoredTensor, parse_strict, stored_tensors
from modou.messages import UserError
from modou.runs.folder import RunFolder

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
_ADAPTER = "adapter_config.json"
_CARD = "README.md"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_LICENCE = re.compile(r"^licen[sc]e:[ \t]*([^\r\n]{1,80})", re.MULTILINE)


@dataclass(frozen=True)
class ModelDirectory:
    """See the module's docstring. Headers are in order; numbers are read when they are asked for."""

    path: Path
    config: dict[str, Any]
    tensors: dict[str, StoredTensor]
    licence: str | None
    """As the model's card calls it."""

    def sha256(self) -> str:
        """Of the file of weights; of several files, of their names and hashes. UserError: one is gone."""
        files = sorted({tensor.file for tensor in self.tensors.values()})
        with storage.user_errors(self.path):
            hashes = {file.name: storage.sha256_file(file) for file in files}
        if len(hashes) == 1:
            return next(iter(hashes.values()))
        return hashlib.sha256(storage.json_line(hashes).encode()).hexdigest()


def open_directory(path: Path) -> ModelDirectory:
    """Reads configuration and headers. UserError: no such directory, damaged, or what cannot be imported."""
    with storage.user_errors(path):
        if not path.is_dir():
            raise UserError("interop.no_directory", path=path)
        names = sorted(file.name for file in path.iterdir())
    _require_model(path, names)
    config = read_strict(path / CONFIG, storage.SMALL)
    for name, key in (("auto_map", "interop.remote_code"), ("quantization_config", "interop.quantized")):
        if config.get(name):
            raise UserError(key, path=path)
    tensors: dict[str, StoredTensor] = {}
    for file in _files(path, names):
        for name, tensor in stored_tensors(file).items():
            if name in tensors:
                raise UserError("interop.tensor_twice", path=path, name=name[:80])
            tensors[name] = tensor
    return ModelDirectory(path, config, tensors, _licence(path / _CARD))


def read_strict(path: Path, most: int) -> dict[str, Any]:
    """A JSON object, see `parse_strict`. UserError: missing, larger than `most` bytes, or none."""
    try:
        return parse_strict(storage.read_bytes(path, most))
    except UserError:
        raise
    except ValueError as error:
        raise UserError("storage.bad_json", path=path, reason=str(error)[:200]) from None


def _require_model(path: Path, names: Sequence[str]) -> None:
    """UserError where a directory with these files holds no model that could be read, with the way out."""
    if RunFolder(path).exists() and CONFIG not in names:
        raise UserError("interop.is_a_run", path=path)
    if WEIGHTS in names or INDEX in names:
        if CONFIG not in names:
            raise UserError("interop.no_config", path=path, file=CONFIG)
        return
    if _ADAPTER in names:
        raise UserError("interop.only_adapter", path=path)
    for endings, key in ((_PICKLES, "interop.pickles"), ((".gguf",), "interop.only_gguf")):
        found = next((name for name in names if name.endswith(endings)), None)
        if found is not None:
            raise UserError(key, path=path, file=found)
    raise UserError("interop.no_weights", path=path, file=WEIGHTS)


def _files(path: Path, names: Sequence[str]) -> list[Path]:
    """The files of weights. UserError: an index that names no files of the directory."""
    if WEIGHTS in names:
        return [path / WEIGHTS]
    index = read_strict(path / INDEX, HEADER)
    try:
        shards = sorted(set(storage.parse_form(dict[str, str], index.get("weight_map")).values()))
    except ValidationError:
        raise UserError("interop.bad_index", path=path / INDEX, file="weight_map") from None
    for shard in shards or [""]:
        if shard not in names:  # a name with a path in it is none of these
            raise UserError("interop.bad_index", path=path / INDEX, file=shard[:80])
    return [path / shard for shard in shards]


def _licence(card: Path) -> str | None:
    """The licence in the head of a model's card; None where there is no card, or it names none."""
    try:
        text = storage.read_bytes(card, storage.SMALL).decode("utf-8", errors="replace")
    except UserError:
        return None
    head = text.split("\n---", 1)[0] if text.startswith("---") else ""
    found = _LICENCE.search(head)
    named = found[1].partition(" #")[0].strip(" \t'\"") if found else ""
    return named if named not in ("", "unknown") else None
