"""A GGUF file: weights, shape, tokenizer and chat template in one, for llama.cpp and what is built on it."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from modou import storage
from modou.interop.card import Remark, Use, card, example
from modou.interop.gguf_model import POSITIONS, Value, architecture, model_keys, tensors
from modou.interop.gguf_tokenizer import is_normalised, tokenizer_keys
from modou.interop.needs import require
from modou.interop.portable import Portable, Target
from modou.messages import Language, UserError, quoted
from modou.tokenizer.sentencepiece import SentencePieceTokenizer

if TYPE_CHECKING:
    import gguf

_FILE_TYPES = {"f32": 0, "f16": 1, "q8_0": 7}
"""By the precision of most tensors: `llama_ftype`."""
_QUANTIZATION_VERSION = 2
_BLOCK = 32
"""Numbers of a row that share a scale in Q8_0."""


def write(model: Portable, folder: Path, precision: str) -> None:
    """Writes the file and a card. UserError: see `write_file`."""
    write_file(model, folder / file_name(model), precision, "gguf")
    use = Use("gguf", _code, partial(remarks, precision=precision))
    storage.write_text_atomically(folder / "README.md", card(model, use))


def file_name(model: Portable) -> str:
    """The name of the run, by which programs list their models."""
    return f"{model.name}.gguf"


def write_file(model: Portable, path: Path, precision: str, target: str) -> None:
    """Writes the file; beside the weights, memory for one tensor.

    UserError (which names `target`): the library is not installed, a reward model; llama.cpp has no such tokenizer or
    heads; a weight is too large for float16; disk full, no permission.
    """
    require(model, target, "gguf")
    import gguf

    keys = {**general_keys(model, precision), **model_keys(model.settings), **tokenizer_keys(model)}
    writer = gguf.GGUFWriter(None, architecture(model.settings))
    for key, value in keys.items():
        _add_key(writer, key, value)
    for name, tensor in tensors(model.weights, model.settings):
        _add_tensor(writer, name, tensor.shape, precision_of(name, tensor.shape, precision))
    with storage.user_errors(path):
        try:
            writer.write_header_to_file(path)
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for name, tensor in tensors(model.weights, model.settings):
                writer.write_tensor_data(encoded(name, tensor, precision_of(name, tensor.shape, precision)))
        finally:
            writer.close()


def general_keys(model: Portable, precision: str) -> dict[str, Value]:
    """What the file is, and the run's sampling, which llama.cpp takes where nothing else is asked for."""
    sampling = model.sampling
    keys: dict[str, Value] = {
        "general.name": storage.without_surrogates(model.name),
        "general.file_type": _FILE_TYPES[precision],
        "general.sampling.sequence": "penalties;temperature;top_k;top_p;min_p",
        "general.sampling.temp": sampling.temperature,
        "general.sampling.top_k": sampling.top_k,
        "general.sampling.top_p": sampling.top_p,
        "general.sampling.min_p": sampling.min_p,
        "general.sampling.penalty_repeat": sampling.repetition_penalty,
        "general.sampling.penalty_last_n": model.settings.context,
    }
    return keys | ({"general.quantization_version": _QUANTIZATION_VERSION} if precision == "q8_0" else {})


def precision_of(name: str, shape: Sequence[int], precision: str) -> str:
    """The precision of a tensor: a row that is no multiple of 32 stays float16 in Q8_0."""
    if len(shape) == 1 or name == POSITIONS:
        return "f32"
    return "f16" if precision == "q8_0" and shape[-1] % _BLOCK else precision


def encoded(name: str, tensor: Tensor, precision: str) -> np.ndarray:
    """Its numbers as the file holds them. UserError: too large for float16."""
    import gguf

    numbers = tensor.numpy(force=True)
    with np.errstate(over="ignore"):
        found = gguf.quantize(numbers, gguf.GGMLQuantizationType[precision.upper()])
    if precision == "f16" and not np.isfinite(found).all():
        raise UserError("interop.too_large", tensor=name, dtype="float16")
    return np.ascontiguousarray(found)


def _add_key(writer: "gguf.GGUFWriter", key: str, value: Value) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case list():
            writer.add_array(key, value)


def _add_tensor(writer: "gguf.GGUFWriter", name: str, shape: Sequence[int], precision: str) -> None:
    import gguf

    kind = gguf.GGMLQuantizationType[precision.upper()]
    stored = gguf.quant_shape_to_byte_shape(shape, kind)
    size = int(np.prod(stored))
    writer.add_tensor_info(name, stored, np.dtype(np.uint8), size, kind)


def remarks(model: Portable, precision: str) -> Iterator[Remark]:
    """What a user of the file has to mind."""
    if model.answers:
        yield "card_marks", {}
    if isinstance(model.tokenizer, SentencePieceTokenizer):
        yield "card_space", {}
    elif is_normalised(model.tokenizer):
        yield "card_nfc", {}
    yield "card_gguf_sampling", {}
    if model.sampling.no_repeat_ngram:
        yield "card_no_ngram", {"size": model.sampling.no_repeat_ngram}
    shapes = {name: tensor.shape for name, tensor in tensors(model.weights, model.settings)}
    odd = [name for name, shape in shapes.items() if precision_of(name, shape, precision) == "f16" != precision]
    if odd:
        yield "card_rows", {"names": ", ".join(f"`{name}`" for name in odd)}


def _code(model: Portable, language: Language) -> list[str]:
    del language
    path, asked = "completion", {"prompt": example(model)[0]}
    if model.answers:
        path, asked = "v1/chat/completions", {"messages": [{"role": "user", "content": example(model)[0]}]}
    return [
        "```bash",
        _command(model, Path()),
        f"curl http://127.0.0.1:8080/{path} -d '{json.dumps(asked, ensure_ascii=False)}'",
        "```",
    ]


def _command(model: Portable, path: Path) -> str:
    file = quoted((path / file_name(model)).as_posix(), plain=True)
    return f"llama-server -m {file} -c {model.settings.context} --jinja"


TARGET = Target("gguf", write, ("f32", "f16", "q8_0"), _command)
