"""Low-rank adapters by themselves, as the library peft puts them on an export of the base.

    adapter_config.json  adapter_model.safetensors  README.md  and the tokenizer's files

An adapter on a matrix of ours that is several of theirs becomes one on each: the same A, and of B the rows that belong
to it, in their order. Where the marks of conversations were added to the base's tokens, the table of tokens (and an
untied head) goes along whole, as peft keeps the tables of a model whose vocabulary grew.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from modou import storage
from modou.interop.card import card
from modou.interop.exports.hf import DTYPES, write_tensors, write_tokenizer
from modou.interop.layouts import layout_of
from modou.interop.layouts.base import Part
from modou.interop.portable import LowRank, Portable, Target

_PREFIX = "base_model.model."
TABLES = ("embedding.weight", "head.weight")


def write(model: Portable, folder: Path, precision: str) -> None:
    """Writes the folder. UserError: a number is too large for float16; disk full, no permission."""
    adapters = model.adapters
    assert adapters is not None
    every = list(layout_of(model.settings).parts(model.settings))
    parts = [part for part in every if _matrix(part) in model.weights]
    tensors = {name: tensor for part in parts for name, tensor in _split(part, model).items()}
    for part in every if adapters.rows_added else ():
        if part.ours in TABLES:
            tensors |= {_PREFIX + name: table for name, table in part.given(model.weights[part.ours]).items()}
    write_tensors(folder / "adapter_model.safetensors", tensors, DTYPES[precision])
    storage.write_json_atomically(folder / "adapter_config.json", _config(adapters, parts))
    write_tokenizer(model, folder)
    storage.write_text_atomically(folder / "README.md", card(model))


def _matrix(part: Part, factor: str = "lora_b") -> str:
    """The name of a factor of the adapter on a matrix of ours."""
    return f"{part.ours.removesuffix('.weight')}.{factor}"


def _split(part: Part, model: Portable) -> dict[str, Tensor]:
    """The adapters of theirs: A (rank, in) and B (out, rank)."""
    low, rows = model.weights[_matrix(part, "lora_a")], part.split(model.weights[_matrix(part)])
    found: dict[str, Tensor] = {}
    for name, high in zip(part.theirs, rows, strict=True):
        module = _PREFIX + name.removesuffix(".weight")
        found |= {f"{module}.lora_A.weight": low.clone(), f"{module}.lora_B.weight": high.clone()}
    return found


def _config(adapters: LowRank, parts: list[Part]) -> dict[str, Any]:
    """adapter_config.json."""
    modules = {name.removesuffix(".weight").rpartition(".")[2] for part in parts for name in part.theirs}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": adapters.base,
        "r": adapters.rank,
        "lora_alpha": adapters.alpha,
        "lora_dropout": adapters.dropout,
        "target_modules": sorted(modules),
        "fan_in_fan_out": any(part.transposed for part in parts),
        "bias": "none",
        "inference_mode": True,
        "init_lora_weights": True,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
        "rank_pattern": {},
        "alpha_pattern": {},
    }


def _command(model: Portable, path: Path) -> str:
    return f"peft.AutoPeftModelForCausalLM.from_pretrained({path.as_posix()!r})"


ADAPTER = Target("adapter", write, tuple(DTYPES), _command)
"""Of a run with adapters; its weights are those of the network as it was trained."""
