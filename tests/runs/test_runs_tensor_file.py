"""Files of tensors: the bytes that the library safetensors gives, hash and size of what lies on the disk."""

from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from modou import storage
from modou.runs.tensor_file import write_tensors

TYPES = (
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
)
SHAPES = st.lists(st.integers(0, 3), max_size=3)
GROUPS = st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.tuples(st.sampled_from(TYPES), SHAPES))


@given(GROUPS)
def test_bytes_are_those_of_the_library(tmp_path_factory: pytest.TempPathFactory, group: dict[str, tuple]) -> None:
    tensors = {name: torch.rand(shape).mul(200).to(dtype) for name, (dtype, shape) in group.items()}
    path = tmp_path_factory.mktemp("tensors") / "group.safetensors"
    for metadata in ({"format": "pt"}, None):
        size, sha256 = write_tensors(path, tensors, metadata)
        assert path.read_bytes() == safetensors.torch.save(tensors, metadata)
    assert (size, sha256) == (path.stat().st_size, storage.sha256_file(path))


def test_a_type_that_the_format_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_tensors(tmp_path / "x", {"a": torch.zeros(2, dtype=torch.complex64)})
