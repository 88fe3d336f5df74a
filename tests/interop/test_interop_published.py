"""Published shapes at their full width and vocabulary: two random layers compute the same; the memory of a
whole model."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import transformers
from import_helpers import byte_level, imported, write_tokenizer

import modou
from modou.runs.weights import load_model

pytestmark = pytest.mark.slow
QWEN3 = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40_960}
SMOL = {"vocab_size": 49_152, "max_position_embeddings": 8192, "rope_theta": 1e5, "rms_norm_eps": 1e-5}
CONFIGS: dict[str, transformers.PretrainedConfig] = {
    "gpt2": transformers.GPT2Config(n_layer=2),
    "gpt2-medium": transformers.GPT2Config(n_layer=2, n_embd=1024, n_head=16),
    "qwen3-0.6b": transformers.Qwen3Config(
        **QWEN3, hidden_size=1024, intermediate_size=3072, rope_theta=1e6, num_hidden_layers=2, tie_word_embeddings=True
    ),
    "qwen3-1.7b": transformers.Qwen3Config(
        **QWEN3, hidden_size=2048, intermediate_size=6144, rope_theta=1e6, num_hidden_layers=2, tie_word_embeddings=True
    ),
    "smollm2-135m": transformers.LlamaConfig(
        **SMOL,
        **{"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 2, "tie_word_embeddings": True},
        **{"num_attention_heads": 9, "num_key_value_heads": 3},
    ),
    "smollm2-360m": transformers.LlamaConfig(
        **SMOL,
        **{"hidden_size": 960, "intermediate_size": 2560, "num_hidden_layers": 2, "tie_word_embeddings": True},
        **{"num_attention_heads": 15, "num_key_value_heads": 5},
    ),
}


def saved(folder: Path, config: transformers.PretrainedConfig) -> int:
    """Saves a random model as bfloat16, a norm of it unlike the others; returns the number of tokens."""
    folder.mkdir()
    tokens = write_tokenizer(folder, byte_level(600))
    torch.manual_seed(5)
    transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(folder)
    return tokens


@pytest.mark.parametrize("name", CONFIGS)
def test_two_layers_of_full_width(name: str, tmp_path: Path) -> None:
    tokens = saved(tmp_path / "model", CONFIGS[name])
    run = imported(tmp_path / "model", tmp_path / "run")
    ids = torch.randint(tokens, (1, 40), generator=torch.Generator().manual_seed(1))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32).eval()
    barred = list(range(tokens, theirs.config.vocab_size))
    with torch.inference_mode():
        logits = theirs(ids).logits
        options = {"do_sample": False, "pad_token_id": 0, "suppress_tokens": barred, "max_new_tokens": 12}
        written = theirs.generate(ids, **options)[0, 40:].tolist()
    del theirs
    model, tokenizer, _ = load_model(run)
    with torch.inference_mode():
        assert (model(ids) - logits).abs().max() <= 1e-4
    del model
    assert modou.load(run.path).generate(ids[0].tolist(), tokens=12, temperature=0) == tokenizer.decode(written)


PEAK = """
import pathlib, sys
from modou.cli.main import status_of
assert status_of(sys.argv[1:]) == 0
(line,) = (line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(line.split()[1]) >> 10)
"""
"""getrusage would tell the memory of this process where that was larger: it goes on to a child."""


def peak(*words: str | Path) -> int:
    """The largest memory of a command in MiB."""
    command = [sys.executable, "-c", PEAK, *map(str, words)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


@pytest.mark.parametrize(("name", "layers", "most"), [("smollm2-135m", 30, 2000), ("smollm2-360m", 32, 4000)])
def test_a_whole_model_takes_little_memory(name: str, layers: int, most: int, tmp_path: Path) -> None:
    config = type(CONFIGS[name])(**CONFIGS[name].to_dict() | {"num_hidden_layers": layers, "layer_types": None})
    saved(tmp_path / "model", config)
    assert peak("import", tmp_path / "model", "--out", tmp_path / "run") < most
    assert peak("generate", tmp_path / "run", "x", "--tokens", "2") < most
