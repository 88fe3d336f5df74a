"""Tokens per second of generation: modou and transformers' GPT-2 of the same shape (8.87M parameters).

    python benchmarks/generate.py [--json FILE] [--threads N] [--tokens N] [--rounds N]

Both generate in turn, round after round, under the same load of the machine. Tokens per second: best round; ratio:
median over rounds. All three layouts of modou are compared with the same GPT-2."""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from modou.generate.decode import Decoder, Request
from modou.model.gpt import GPT
from modou.model.step import optimize_memory_layout
from modou.settings.model import ModelSettings
from modou.settings.sampling import SamplingSettings

SHAPE: dict[str, Any] = {"vocabulary": 8000, "layers": 6, "width": 256, "heads": 8, "context": 128, "tied": False}
LAYOUTS = {
    "learned": {"style": "classic", "position": "learned"},
    "rope": {"style": "classic", "position": "rope"},
    "modern": {"style": "modern", "position": "rope"},
}
SAMPLERS = {
    "greedy": SamplingSettings(temperature=0.0),
    "sampled": SamplingSettings(temperature=0.8, top_p=0.95),
}
BOS, EOS = 1, 2


def ours(layout: str, device: str, options: SamplingSettings, batch: int) -> Callable[[], object]:
    """A function that generates `options.tokens` tokens in each of `batch` texts."""
    torch.manual_seed(0)
    model = GPT(ModelSettings(**SHAPE, **LAYOUTS[layout])).eval().to(device)
    optimize_memory_layout(model)  # as every loaded model lies

    def write() -> None:
        decoder = Decoder(model, [Request([BOS], [row]) for row in range(batch)], options)
        for _ in range(options.tokens):
            decoder.step()

    return write


def theirs(device: str, options: SamplingSettings, batch: int) -> Callable[[], object]:
    """The same of transformers' GPT-2."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        n_layer=SHAPE["layers"],
        n_embd=SHAPE["width"],
        n_head=SHAPE["heads"],
        vocab_size=SHAPE["vocabulary"],
        n_positions=SHAPE["context"],
        tie_word_embeddings=SHAPE["tied"],
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    model = GPT2LMHeadModel(config).eval().to(device)
    sampling: dict[str, Any] = {"do_sample": False}
    if options.temperature:
        sampling = {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p, "top_k": 0}
    wanted = GenerationConfig(
        max_new_tokens=options.tokens, min_new_tokens=options.tokens, pad_token_id=3, eos_token_id=EOS, **sampling
    )
    ids_BT = torch.full((batch, 1), BOS, device=device)
    mask_BT = torch.ones_like(ids_BT)
    return lambda: model.generate(ids_BT, attention_mask=mask_BT, generation_config=wanted)


def seconds(write: Callable[[], object], device: str) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    write()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def compare(device: str, sampler: str, batch: int, tokens: int, rounds: int) -> dict[str, Any]:
    """Tokens per second of each implementation, and each layout's ratio to transformers."""
    options = SAMPLERS[sampler].changed(tokens=tokens)
    writers = {layout: ours(layout, device, options, batch) for layout in LAYOUTS}
    writers["transformers"] = theirs(device, options, batch)
    for write in writers.values():
        write()
    times = {name: [0.0] * rounds for name in writers}
    for index in range(rounds):
        for name, write in writers.items():
            times[name][index] = seconds(write, device)
    result: dict[str, Any] = {}
    for name, spent in times.items():
        result[name] = {"tokens_per_second": round(batch * tokens / min(spent), 1)}
        if name != "transformers":
            ratios = [other / own for own, other in zip(spent, times["transformers"], strict=True)]
            result[name]["ratio"] = round(statistics.median(ratios), 2)
            result[name]["ratio_of_best"] = round(min(times["transformers"]) / min(spent), 2)
    return result


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's choice)")
    parser.add_argument("--tokens", type=int, default=100, help="tokens per text, at most 127 (one context)")
    parser.add_argument("--rounds", type=int, default=7, help="how often everyone writes")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    numbers: dict[str, Any] = {"threads": torch.get_num_threads(), "load_before": os.getloadavg()[0]}
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        numbers[device] = {}
        for batch in (1, 16):
            row = numbers[device][f"batch_{batch}"] = {}
            for sampler in SAMPLERS:
                row[sampler] = compare(device, sampler, batch, options.tokens, options.rounds)
                line = "  ".join(
                    f"{name} {one['tokens_per_second']:8.0f}/s" + (f" x{one['ratio']:.2f}" if "ratio" in one else "")
                    for name, one in row[sampler].items()
                )
                print(f"{device} batch {batch:2d} {sampler:8s} {line}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"generate": numbers}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
