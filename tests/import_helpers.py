"""Directories as other software writes them: random models of transformers, with byte-level tokenizers made of invented
text."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from train_helpers import sentences

from modou.cli.main import status_of
from modou.interop.importing import import_model
from modou.runs.folder import RunFolder

END = "<|endoftext|>"
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
ROPE = {
    **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "max_position_embeddings": 128},
}
CONFIGS: dict[str, transformers.PretrainedConfig] = {
    "gpt2": transformers.GPT2Config(**GPT2),
    "gpt2-untied": transformers.GPT2Config(**GPT2, tie_word_embeddings=False),
    "qwen3": transformers.Qwen3Config(**ROPE, head_dim=16, rope_theta=1e6, tie_word_embeddings=True),
    "llama": transformers.LlamaConfig(**ROPE, rope_theta=1e5, rms_norm_eps=1e-5, tie_word_embeddings=True),
}
"""As GPT-2, Qwen3 and SmolLM2 are published, but two layers of width 32."""


def byte_level(vocabulary: int = 400, marks: tuple[str, ...] = ()) -> tokenizers.Tokenizer:
    """A byte-level BPE of invented text, as GPT-2's."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END, *marks],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(sentences(200, seed=7).splitlines(), trainer)
    return made


def write_tokenizer(folder: Path, made: tokenizers.Tokenizer) -> int:
    """tokenizer.json and its configuration; returns the number of tokens."""
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made, bos_token=END, eos_token=END)
    fast.save_pretrained(folder)
    return len(fast)


def write_model(
    folder: Path,
    name: str,
    rows: int | None = None,
    dtype: torch.dtype = torch.float32,
    max_shard_size: str = "5GB",
    **keys: Any,
) -> transformers.PreTrainedModel:
    """A directory with a random model of CONFIGS, its weights large enough to differ; returns what loads of it.
    keys: other values in its configuration."""
    config = type(CONFIGS[name])(**CONFIGS[name].to_dict() | keys)
    tokens = write_tokenizer(folder, byte_level())
    config.vocab_size = rows or tokens
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config).to(dtype).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3) if parameter.ndim > 1 else parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def imported(folder: Path, out: Path, context: int | None = None) -> RunFolder:
    list(import_model(folder, out, context))
    return RunFolder(out)


def command(*words: str | Path) -> int:
    """The status of `modou WORDS...`."""
    return status_of([str(word) for word in words])


def safetensors_file(
    path: Path, header: Mapping[str, Any] | bytes, data: bytes = b"", length: int | None = None
) -> None:
    """A file with any header; `length`: what it claims to be the header's length."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
