"""Tensors in safetensors files, read without trust: nothing is allocated for a size that a file merely claims.

    8 bytes: length of the header | header, JSON: name -> {"dtype", "shape", "data_offsets": [from, to]} | numbers

The numbers lie one tensor after another without gaps, little-endian, row by row (huggingface.co/docs/safetensors).
"""

import json
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NoReturn

import torch
from pydantic import ConfigDict, Field, Strict, ValidationError
from torch import Tensor

from modou import storage
from modou.messages import UserError

TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
"""The types of numbers that can be weights."""
HEADER = 1 << 23
"""Bytes of a header or an index, at most: one of a model that fits our settings has a tenth of it."""
_LENGTH = 8
_METADATA = "__metadata__"
_Whole = Annotated[int, Strict(), Field(ge=0, lt=2**53)]


@dataclass(frozen=True)
class _Entry:
    """What a header says of a tensor."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    dtype: Annotated[str, Strict(), Field(max_length=16)]
    shape: Annotated[list[_Whole], Field(max_length=8)]
    data_offsets: tuple[_Whole, _Whole]


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file whose header is in order."""

    file: Path
    name: str
    dtype: str
    """As the format calls it, such as BF16."""
    shape: tuple[int, ...]
    start: int
    """Place in the file, in bytes."""
    size: int
    """Bytes."""
    changed: tuple[int, int]
    """Size of the file, and time of its last change in nanoseconds, when the header was read."""

    def read(self) -> Tensor:
        """The numbers, in the type of the file. UserError: NaN or infinity among them, another type than those of
        TYPES; the file has changed or is gone."""
        if not self.size:
            return torch.empty(self.shape, dtype=TYPES[self.dtype])
        data = bytearray(self.size)
        with storage.user_errors(self.file), self.file.open("rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            file.seek(self.start)
            if (found.st_size, found.st_mtime_ns) != self.changed or not _fill(file, memoryview(data)):
                raise UserError("interop.file_changed", path=self.file)
        tensor = torch.frombuffer(data, dtype=TYPES[self.dtype]).view(self.shape)
        if not bool(tensor.isfinite().all()):
            raise UserError("interop.not_finite", path=self.file, name=self.name)
        return tensor

    def require_number(self) -> None:
        """UserError unless `read` can read the type."""
        if self.dtype not in TYPES:
            raise UserError("interop.other_dtype", path=self.file, name=self.name, dtype=self.dtype)


def _fill(file: Any, room: memoryview) -> bool:
    """Reads until `room` is full; False where the file ends before."""
    while room and (count := file.readinto(room)):
        room = room[count:]
    return not room


def stored_tensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file by name. UserError: no regular file, a header that is too long, no JSON, or does not
    describe the bytes after it exactly."""
    with storage.user_errors(path):
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe may never end
            raise UserError("storage.not_a_file", path=path)
        with path.open("rb", buffering=0) as file:
            length = int.from_bytes(file.read(_LENGTH), "little")
            if length > min(HEADER, found.st_size - _LENGTH):
                raise UserError("interop.bad_header", path=path, reason=f"{length} > {HEADER}")
            data = bytearray(length)
            whole = _fill(file, memoryview(data))
    if not whole:
        raise UserError("interop.file_changed", path=path)
    try:
        values = parse_strict(bytes(data))
        values.pop(_METADATA, None)
        entries = storage.parse_form(dict[str, _Entry], values)
        _require_exact(entries, found.st_size - _LENGTH - length)
    except ValueError as error:
        raise UserError("interop.bad_header", path=path, reason=_reason(error)) from None
    changed, begin = (found.st_size, found.st_mtime_ns), _LENGTH + length
    return {
        name: StoredTensor(path, name, one.dtype, tuple(one.shape), begin + one.data_offsets[0], _length(one), changed)
        for name, one in entries.items()
    }


def _length(entry: _Entry) -> int:
    return entry.data_offsets[1] - entry.data_offsets[0]


def _require_exact(entries: dict[str, _Entry], size: int) -> None:
    """ValueError unless the tensors fill `size` bytes one after another, each as many as its shape has numbers."""
    end = 0
    for name, one in sorted(entries.items(), key=lambda item: item[1].data_offsets):
        if one.data_offsets[0] != end or one.data_offsets[1] < end:
            raise ValueError(f"{name[:80]}: data_offsets {list(one.data_offsets)}")
        if one.dtype in TYPES and _length(one) != math.prod(one.shape) * TYPES[one.dtype].itemsize:
            raise ValueError(f"{name[:80]}: {one.dtype} {one.shape}, data_offsets {list(one.data_offsets)}")
        end = one.data_offsets[1]
    if end != size:
        raise ValueError(f"{end} ≠ {size}")


def parse_strict(data: bytes) -> dict[str, Any]:
    """A JSON object in which no name stands twice and all numbers are finite. ValueError: it is none, or deep."""
    try:
        value = json.loads(data, object_pairs_hook=_once, parse_float=_finite, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(value, dict) or storage.is_deep(value):
        raise ValueError("nested too deep" if isinstance(value, dict) else "no JSON object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _finite(digits: str) -> float:
    if not math.isfinite(float(digits)):
        _no_number(digits)
    return float(digits)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"no number: {word[:20]}")


def _reason(error: ValueError) -> str:
    """One line of a message; pydantic's begins with a count and ends with an address."""
    lines = str(error).splitlines()
    return " ".join(" ".join(lines[1:3] if isinstance(error, ValidationError) else lines).split())[:200]
