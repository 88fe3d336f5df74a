"""Directories that are damaged or mean harm: one line with the way out, bounded memory, nothing run, nothing left."""

import json
import os
import pickle
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from import_helpers import command, safetensors_file, write_model
from safetensors.torch import load_file, save, save_file

from modou.interop.directory import open_directory
from modou.interop.stored import HEADER, parse_strict, stored_tensors
from modou.messages import UserError

ONE = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
"""Four numbers."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_model(folder, "qwen3")
    return folder


@pytest.fixture
def model(whole: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in whole.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def refused(folder: Path, capfd: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line of `modou import`, which leaves nothing behind."""
    before = sorted(folder.parent.iterdir())
    capfd.readouterr()
    assert command("import", folder, "--out", folder.parent / "run", *words) == 2
    said = capfd.readouterr().err
    assert said.startswith("modou: ") and said.count("\n") == 1, said
    assert sorted(folder.parent.iterdir()) == before
    return said


HEADERS: dict[str, tuple[Any, bytes]] = {
    "shape-lies": ({"a": ONE | {"shape": [2, 3]}}, bytes(16)),
    "huge-shape": ({"a": ONE | {"shape": [2**40, 2**40]}}, bytes(16)),
    "beyond-the-end": ({"a": ONE | {"data_offsets": [0, 32], "shape": [8]}}, bytes(16)),
    "overlap": ({"a": ONE, "b": ONE}, bytes(16)),
    "gap": ({"a": ONE, "b": ONE | {"data_offsets": [20, 36]}}, bytes(36)),
    "more-data": ({"a": ONE}, bytes(17)),
    "backwards": ({"a": ONE | {"data_offsets": [16, 0]}}, bytes(16)),
    "negative": ({"a": ONE | {"shape": [-2, -2]}}, bytes(16)),
    "true-is-no-number": ({"a": ONE | {"shape": [True, 4]}}, bytes(16)),
    "fraction": ({"a": ONE | {"shape": [2.0, 2]}}, bytes(16)),
    "no-shape": ({"a": {"dtype": "F32", "data_offsets": [0, 16]}}, bytes(16)),
    "more-keys": ({"a": ONE | {"file": "/etc/passwd"}}, bytes(16)),
    "many-dimensions": ({"a": ONE | {"shape": [1] * 9 + [4]}}, bytes(16)),
    "list": ([ONE], bytes(16)),
    "twice": (b'{"a": %b, "a": %b}' % (2 * (json.dumps(ONE).encode(),)), bytes(16)),
    "digits": (b'{"a": {"dtype": "F32", "shape": [%b], "data_offsets": [0, 16]}}' % (b"9" * 9000), bytes(16)),
    "deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b""),
    "not-json": (b"\x80\x02}q\x00.", b""),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_must_describe_its_file_exactly(name: str, tmp_path: Path) -> None:
    header, data = HEADERS[name]
    safetensors_file(tmp_path / "model.safetensors", header, data)
    with pytest.raises(UserError) as refusal:
        stored_tensors(tmp_path / "model.safetensors")
    assert refusal.value.key == "interop.bad_header" and len(str(refusal.value)) < 600


@pytest.mark.parametrize("length", [2**63, 2**40, HEADER + 1, 200], ids=str)
def test_a_header_longer_than_its_file_is_not_read(length: int, tmp_path: Path) -> None:
    safetensors_file(tmp_path / "model.safetensors", {"a": ONE}, bytes(16), length=length)
    with pytest.raises(UserError, match="not a whole safetensors file"):
        stored_tensors(tmp_path / "model.safetensors")


@pytest.mark.parametrize("size", [0, 3, 8])
def test_a_file_without_a_header(size: int, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(size))
    with pytest.raises(UserError, match="not a whole safetensors file"):
        stored_tensors(tmp_path / "model.safetensors")


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', '{"a": 1e999}', '{"a": 1, "a": 2}', "[]", "1", ""])
def test_json_is_read_strictly(text: str) -> None:
    with pytest.raises(ValueError):
        parse_strict(text.encode())


TENSORS = {
    "a": torch.arange(6.0).view(2, 3),
    "b": torch.ones(4, dtype=torch.bfloat16),
    "c": torch.zeros(2, dtype=torch.int64),
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "I64", "BOOL", "F4"]) | VALUES,
        "shape": st.lists(st.integers(0, 4), max_size=3) | VALUES,
        "data_offsets": st.lists(st.integers(0, 32), min_size=2, max_size=2) | VALUES,
    }
)


def read_all(path: Path) -> None:
    """Reads a file, or refuses it in one line."""
    try:
        for tensor in stored_tensors(path).values():
            tensor.require_number()
            assert tensor.read().shape == tensor.shape
    except UserError as refusal:
        assert refusal.key.startswith("interop.")


@given(st.data())
def test_no_damage_of_a_file_is_an_internal_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(save(TENSORS))
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    read_all(path)


@given(st.dictionaries(st.text(max_size=5), ENTRIES | VALUES, max_size=3), st.binary(max_size=40))
def test_no_header_is_an_internal_error(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any], data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "header.safetensors"
    safetensors_file(path, header, data)
    read_all(path)


def without_weights(folder: Path, **files: bytes) -> None:
    (folder / "model.safetensors").unlink()
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)


class Bomb:
    """Unpickled, it would write a file."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.place,)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "consolidated.00.pth", "model.pt", "weights.ckpt"])
def test_pickles_stay_closed(file: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    without_weights(model)
    (model / file).write_bytes(pickle.dumps(Bomb(model / "boom")))
    said = refused(model, capfd)
    assert file in said and "safe_serialization=True" in said and not (model / "boom").exists()


def test_other_kinds_of_directories(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    without_weights(model, model__Q4_K_M__gguf=b"GGUF")
    assert "GGUF" in refused(model, capfd)
    (model / "adapter_config.json").write_text("{}", encoding="utf-8")
    assert "merge_and_unload" in refused(model, capfd)
    for file in model.iterdir():
        file.unlink()
    assert "model.safetensors" in refused(model, capfd)
    model.rmdir()
    assert "no folder" in refused(model, capfd)


def test_a_run_needs_no_import(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (model / "config.json").unlink()
    assert "config.json" in refused(model, capfd)
    (model / "settings.toml").write_text("", encoding="utf-8")
    assert "run folder already" in refused(model, capfd)


def spoil(folder: Path, **keys: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | keys), encoding="utf-8")


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"num_hidden_layers": 10**9}, "layers"),
        ({"num_hidden_layers": 200}, "model.layers.2"),
        ({"hidden_size": 10**12}, "hidden_size"),
        ({"vocab_size": -1}, "vocab_size"),
        ({"max_position_embeddings": 10**30}, "max_position_embeddings"),
        ({"num_attention_heads": "four"}, "num_attention_heads"),
        ({"auto_map": {"AutoModelForCausalLM": "evil.Model"}}, "auto_map"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"model_type": "../../bert"}, "model_type"),
        ({"model_type": ["qwen3"]}, "model_type"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_configuration_that_cannot_be(
    keys: dict[str, Any], word: str, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil(model, **keys)
    assert word in refused(model, capfd)


@pytest.mark.parametrize("content", [b"", b"{", b'{"model_type": "qwen3", "x": NaN}', b"[" * 10**6, b" " * (1 << 21)])
def test_a_configuration_that_is_none(content: bytes, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (model / "config.json").write_bytes(content)
    assert "config.json" in refused(model, capfd)


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_weights_that_are_no_numbers(value: float, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rewrite(model, lambda tensors: tensors["model.layers.1.mlp.up_proj.weight"].view(-1)[5].fill_(value))
    assert "model.layers.1.mlp.up_proj.weight" in refused(model, capfd)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float64, torch.float8_e4m3fn], ids=str)
def test_other_types_are_refused_by_name(dtype: torch.dtype, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    name = "model.layers.0.self_attn.q_proj.weight"
    rewrite(model, lambda tensors: tensors.update({name: tensors[name].to(dtype)}))
    assert name in refused(model, capfd)


@pytest.mark.parametrize("name", ["model.norm.weight", "model.\ud800", "model.\x1b[31mred", "x" * 9999], ids=ascii)
def test_a_tensor_without_numbers(name: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = model / "model.safetensors"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header[name] = {"dtype": "F32", "shape": [0, 7], "data_offsets": [0, 0]}
    if name == "model.norm.weight":
        header["model.norm.bias"] = header.pop("model.embed_tokens.weight")
    safetensors_file(path, header, data[8 + length :])
    said = refused(model, capfd)
    assert len(said) < 700 and "\x1b" not in said


def test_tensors_that_are_missing_or_of_another_shape(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rewrite(model, lambda tensors: tensors.update({"model.norm.weight": tensors["model.norm.weight"][:7].clone()}))
    assert "model.norm.weight" in refused(model, capfd)
    rewrite(model, lambda tensors: tensors.pop("model.norm.weight"))
    assert "model.norm.weight" in refused(model, capfd)


@pytest.mark.parametrize("shard", ["../model.safetensors", "/etc/passwd", "sub/x", "..", "", "other.safetensors", 7])
def test_an_index_names_files_of_the_directory_only(shard: Any, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (model / "model.safetensors").rename(model.parent / "model.safetensors")
    index = {"metadata": {}, "weight_map": {"model.norm.weight": shard}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert "model.safetensors.index.json" in refused(model, capfd)


def test_two_shards_with_the_same_tensor(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        (model / name).write_bytes((model / "model.safetensors").read_bytes())
    without_weights(model)
    index = {"weight_map": {"model.norm.weight": "a.safetensors", "x": "b.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert "two tensors" in refused(model, capfd)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
def test_what_is_no_file_is_not_opened(file: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (model / file).unlink()
    os.mkfifo(model / file)
    assert file in refused(model, capfd)
    (model / file).unlink()
    (model / file).symlink_to(model / file)
    assert file in refused(model, capfd)
    (model / file).unlink()
    (model / file).mkdir()
    assert file in refused(model, capfd)


def test_files_may_be_links_as_in_a_cache_of_the_hub(model: Path) -> None:
    (model / "model.safetensors").rename(model.parent / "blob")
    (model / "model.safetensors").symlink_to(model.parent / "blob")
    assert "model.norm.weight" in open_directory(model).tensors


def test_a_file_that_changes_while_it_is_read(model: Path) -> None:
    found = open_directory(model)
    tensor = found.tensors["model.norm.weight"]
    assert tensor.read().shape == (32,)
    (model / "model.safetensors").write_bytes(bytes(99))
    with pytest.raises(UserError, match="changed while it was read"):
        tensor.read()
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match="could not be read"):
        tensor.read()


def test_a_file_that_claims_gigabytes_takes_no_memory(tmp_path: Path) -> None:
    """A sparse file: the header is 8 GB long, or a tensor of 8 GB is there; only what is asked for is read."""
    path = tmp_path / "model.safetensors"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path.write_bytes(struct.pack("<Q", 1 << 33))
    os.truncate(path, 8 + (1 << 33))
    with pytest.raises(UserError, match="not a whole safetensors file"):
        stored_tensors(path)
    safetensors_file(path, {"a": {"dtype": "F32", "shape": [1 << 31], "data_offsets": [0, 1 << 33]}})
    os.truncate(path, path.stat().st_size + (1 << 33))
    assert stored_tensors(path)["a"].shape == (1 << 31,)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
