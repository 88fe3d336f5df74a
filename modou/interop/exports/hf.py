"""A directory that transformers loads (and whatever reads its directories): weights, configuration, tokenizer, card.

    config.json  generation_config.json  model.safetensors  README.md
    tokenizer.json  tokenizer_config.json  special_tokens_map.json  chat_template.jinja (where there are conversations)
    modou/       our own tokenizer and settings, by which `modou import` takes the same run back

A reward model is a classifier of one label; its score is read at the last token, which is the end mark of the answer.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modou import storage
from modou.interop.card import card
from modou.interop.chat_template import CHAT_TEMPLATE
from modou.interop.chat_template import FILE_NAME as TEMPLATE
from modou.interop.layouts import layout_of
from modou.interop.portable import Portable, Target
from modou.interop.tokenizer_json import write_tokenizer_json
from modou.messages import UserError
from modou.runs import tensor_file
from modou.settings.base import write_toml

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
OURS = "modou"
"""The folder of what only modou reads."""
SETTINGS = "settings.toml"


def write(model: Portable, folder: Path, precision: str) -> None:
    """Writes the directory. UserError: a weight is too large for float16; disk full, no permission."""
    dtype = DTYPES[precision]
    write_tensors(folder / "model.safetensors", tensors(model), dtype)
    storage.write_json_atomically(folder / "config.json", config(model, dtype))
    if not model.scores:
        storage.write_json_atomically(folder / "generation_config.json", generation_config(model))
    write_tokenizer(model, folder)
    storage.write_text_atomically(folder / "README.md", card(model))
    write_ours(model, folder / OURS)


def write_tokenizer(model: Portable, folder: Path) -> None:
    """The tokenizer's files, and the chat template where there are conversations."""
    write_tokenizer_json(model.tokenizer, folder)
    storage.write_json_atomically(folder / "tokenizer_config.json", tokenizer_config(model))
    storage.write_json_atomically(folder / "special_tokens_map.json", special_tokens(model))
    if converses(model):
        storage.write_text_atomically(folder / TEMPLATE, CHAT_TEMPLATE)


def converses(model: Portable) -> bool:
    """Whether conversations are what it takes."""
    return model.answers or model.scores


def tensors(model: Portable) -> dict[str, Tensor]:
    """All tensors under their names there."""
    layout = layout_of(model.settings)
    found = layout.tensors(model.weights, model.settings)
    if model.scores:
        found.pop(layout.head, None)
        found["score.weight"] = model.weights["score.weight"]
    return found


def write_tensors(path: Path, found: dict[str, Tensor], dtype: torch.dtype) -> None:
    """A safetensors file of `found`, whose tensors are replaced one by one by those of `dtype`.

    UserError: a weight is too large for `dtype`; disk full, no permission.
    """
    for name in found:
        found[name] = found[name].to(dtype)
        if not bool(found[name].isfinite().all()):
            raise UserError("interop.too_large", tensor=name, dtype=str(dtype).removeprefix("torch."))
    with storage.user_errors(path):
        tensor_file.write_tensors(path, found, {"format": "pt"})


def config(model: Portable, dtype: torch.dtype) -> dict[str, Any]:
    """config.json, in the spellings of transformers 4 and 5."""
    layout, own = layout_of(model.settings), model.tokenizer
    word = str(dtype).removeprefix("torch.")
    values = {
        **layout.config(model.settings),
        **{"bos_token_id": own.bos, "eos_token_id": own.eos, "pad_token_id": own.pad},
        **{"dtype": word, "torch_dtype": word},
    }
    if model.scores:
        labels = {"num_labels": 1, "id2label": {"0": "reward"}, "label2id": {"reward": 0}}
        values |= {"architectures": [layout.classifier], **labels, "modou_score_bias": score_bias(model)}
    return values


def score_bias(model: Portable) -> float:
    """The constant that the classifier's score lacks, as it has no bias."""
    return model.weights["score.bias"].item()


def generation_config(model: Portable) -> dict[str, Any]:
    """generation_config.json: the run's sampling; ids that no training text held are never drawn."""
    own, sampling = model.tokenizer, model.sampling
    values: dict[str, Any] = {
        "bos_token_id": own.bos,
        "eos_token_id": model.ends if model.answers else own.eos,
        "pad_token_id": own.pad,
        "do_sample": sampling.temperature > 0,
    }
    if sampling.temperature > 0:
        values |= {"temperature": sampling.temperature, "top_k": sampling.top_k, "top_p": sampling.top_p}
        values |= {"min_p": sampling.min_p} if sampling.min_p else {}
    if sampling.repetition_penalty != 1:
        values["repetition_penalty"] = sampling.repetition_penalty
    if sampling.no_repeat_ngram:
        values["no_repeat_ngram_size"] = sampling.no_repeat_ngram
    if barred := sorted(own.unseen.difference(model.ends)):
        values["suppress_tokens"] = barred
    return values


def special_tokens(model: Portable) -> dict[str, str]:
    """special_tokens_map.json."""
    own, names = model.tokenizer, model.tokenizer.pieces()
    ids: dict[str, int | None] = {"bos": own.bos, "eos": own.eos, "unk": own.unk, "pad": own.pad}
    return {f"{name}_token": names[id] for name, id in ids.items() if id is not None}


def tokenizer_config(model: Portable) -> dict[str, Any]:
    """tokenizer_config.json. Every other class than the one named here makes a vocabulary of another kind of it."""
    values: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special_tokens(model),
        "clean_up_tokenization_spaces": False,
        "model_max_length": model.settings.context,
        "model_input_names": ["input_ids", "attention_mask"],
        "padding_side": "right" if model.scores else "left",
    }
    return values | ({"chat_template": CHAT_TEMPLATE} if converses(model) else {})


def write_ours(model: Portable, folder: Path) -> None:
    """What `modou import` takes instead of what the directory says in other words."""
    model.tokenizer.save(folder)
    values = {
        "run": {"name": model.name, "answers": model.answers, "scores": model.scores, "step": model.step},
        "model": model.settings.model_dump(),
        "sampling": model.sampling.model_dump(),
    }
    storage.write_text_atomically(folder / SETTINGS, write_toml(values) + "\n")


def _command(model: Portable, path: Path) -> str:
    kind = "AutoModelForSequenceClassification" if model.scores else "AutoModelForCausalLM"
    return f"transformers.{kind}.from_pretrained({path.as_posix()!r})"


TARGET = Target("hf", write, tuple(DTYPES), _command)
