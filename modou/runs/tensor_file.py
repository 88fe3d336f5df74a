"""Writes a safetensors file without a copy of it in memory. Its bytes are those that the library's `save` gives.

8 bytes: length of the header | header, JSON: name -> {"dtype", "shape", "data_offsets": [from, to]} | numbers
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

_TYPES = {
    torch.int64: "I64",
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int32: "I32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""Types of tensors, and what the format calls them; those that come first in a file, first."""
_ALIGNMENT = 8


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Writes contiguous tensors on the CPU in place and fsyncs the file; returns its size and SHA-256. Raises OSError.

    metadata: what other programs look for.
    ValueError: a type that the format has no name for.
    """
    order = list(_TYPES)
    names = sorted(tensors, key=lambda name: (order.index(tensors[name].dtype), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        tensor, start = tensors[name], end
        end += tensor.nbytes
        header[name] = {"dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    found = hashlib.sha256()
    size = 0
    with path.open("wb") as file:
        for part in (len(text).to_bytes(8, "little"), text, *(_bytes(tensors[name]) for name in names)):
            file.write(part)
            found.update(part)
            size += len(part)
        file.flush()
        os.fsync(file.fileno())
    return size, found.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    """The memory of a tensor, not copied."""
    return memoryview(cast(Any, tensor.reshape(-1).view(torch.uint8).numpy()))
