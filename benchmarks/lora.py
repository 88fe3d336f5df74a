"""Memory and speed of fine-tuning with low-rank adapters, beside fine-tuning of all weights.

    python benchmarks/lora.py [--threads N] [--rounds N] [--steps N] [--rank N] [--batch N] [--context N]
                              [--precision float32|bfloat16] [--variants full full-adamw lora] [--json FILE]

full            all weights, Muon and AdamW
full-adamw      all weights, AdamW
lora            adapters of --rank beside every matrix of the blocks, AdamW; all other weights are frozen

The model has the shape of SmolLM2-135M (Allal et al. 2025) with random weights. A step is one of `modou sft`: packed
conversations, cross-entropy of the answers, which are half of the tokens, clipping, update, average of the weights.
Every variant runs in a separate process; they step in turn, so that all see the same load of the machine.

Memory: peak of the process above what its imports take, without loading of weights. CPU s: of all threads together,
which other programs disturb least. Medians over rounds; x full: CPU time of `full` / that of this variant, in the same
round.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from common import Worker, parser, print_table, write_json
from torch import Tensor

from modou.data.shards import IGNORE
from modou.model.gpt import GPT
from modou.model.lora import AdaptedGPT, Adapters
from modou.model.products import PRECISIONS, cpu_products
from modou.settings.methods import SftRun
from modou.settings.model import ModelSettings
from modou.train.average import WeightAverage
from modou.train.malloc import keep_freed_memory
from modou.train.measure import peak_memory_mb
from modou.train.optim import clip_gradients, make_optimizers
from modou.train.ways import Way, use_way

CPU = torch.device("cpu")
BARE_MB = peak_memory_mb(CPU)
"""Memory of this process before any work."""
SHAPE = {"vocabulary": 49_152, "layers": 30, "width": 576, "heads": 9, "kv_heads": 3, "hidden": 1536}
LLAMA = {"qk_norm": False, "norm_eps": 1e-5, "rope_base": 100_000}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "full": {},
    "full-adamw": {"name": "adamw", "matrix_lr": 0.0003},
    "lora": {"name": "adamw", "matrix_lr": 0.001},
}
"""Options of [optimizer], by variant."""
CONVERSATIONS = 4
"""In a row."""


def make_model(options: argparse.Namespace) -> GPT:
    """The variant's model, initialised."""
    shape = {name: getattr(options, name) for name in (*SHAPE, "context")}
    settings = ModelSettings.parse(LLAMA | shape)
    if options.variant == "lora":
        return AdaptedGPT(settings, Adapters(options.rank, float(options.rank)))
    return GPT(settings)


def make_batch(options: argparse.Namespace) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, targets and beginnings of packed conversations, each half a prompt, half an answer; (B, T)."""
    ids_BT = torch.randint(options.vocabulary, (options.batch, options.context))
    length = options.context // CONVERSATIONS
    position_T = torch.arange(options.context)
    is_answer_T = position_T % length >= length // 2
    target_BT = ids_BT.roll(-1, 1).where(is_answer_T, IGNORE)
    return ids_BT, target_BT, (position_T // length * length).expand_as(ids_BT)


def make_step(options: argparse.Namespace, model: GPT) -> Callable[[], None]:
    """A function that makes one update of the model."""
    settings = SftRun.parse({"optimizer": OPTIMIZERS[options.variant]})
    use_way(model, Way(options.precision), CPU)
    optimizers = make_optimizers(model, settings.optimizer, options.precision)
    average = WeightAverage(model, settings.train.average)
    ids_BT, target_BT, start_BT = make_batch(options)
    count = int((target_BT != IGNORE).sum())

    def step() -> None:
        with cpu_products(options.precision):
            (model.loss(ids_BT, target_BT, start_BT) / count).backward()
            clip_gradients(list(model.parameters()), settings.optimizer.clip)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            average.update(1)

    return step


def work(options: argparse.Namespace) -> None:
    """The worker: reports its model, then answers each message (a number of steps) with their seconds."""
    keep_freed_memory()
    torch.manual_seed(0)
    model = make_model(options).train()
    step = make_step(options, model)
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    trained = sum(size for size, is_trained in sizes if is_trained)
    print(json.dumps({"parameters": sum(size for size, _ in sizes), "trained": trained}), flush=True)
    for question in sys.stdin:
        began, cpu_began = time.perf_counter(), time.process_time()
        for _ in range(json.loads(question)):
            step()
        spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
        print(json.dumps(spent | {"memory_mb": peak_memory_mb(CPU) - BARE_MB}), flush=True)


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of all variants."""
    seconds: dict[str, list[float]] = {name: [] for name in options.variants}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in options.variants}
    found: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name in options.variants:
            workers[name] = stack.enter_context(Worker(__file__, *sys.argv[1:], "--variant", name))
            found[name] = workers[name].answer()
            workers[name].ask(1)  # the first step allocates memory and chooses kernels
        for _ in range(options.rounds):
            for name, worker in workers.items():
                last = worker.ask(options.steps)
                seconds[name].append(last["seconds"] / options.steps)
                cpu_seconds[name].append(last["cpu_seconds"] / options.steps)
                found[name]["peak_memory_mb"] = last["memory_mb"]
    for name, spent in cpu_seconds.items():
        ratios = [full / own for own, full in zip(spent, cpu_seconds.get("full", []), strict=False)]
        found[name]["seconds_per_step"] = statistics.median(seconds[name])
        found[name]["cpu_seconds_per_step"] = statistics.median(spent)
        found[name]["ratio_to_full"] = statistics.median(ratios) if ratios else None
    return {
        "threads": torch.get_num_threads(),
        "precision": options.precision,
        "batch": {"rows": options.batch, "context": options.context},
        "rank": options.rank,
        "variants": found,
    }


def arguments() -> argparse.Namespace:
    """Command line."""
    options = parser(__doc__)
    options.add_argument("--variants", nargs="+", choices=[*OPTIMIZERS], default=[*OPTIMIZERS])
    options.add_argument("--precision", choices=PRECISIONS, default="float32")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--steps", type=int, default=1, help="steps of a variant in a round")
    for name, value in {"rank": 16, "batch": 2, "context": 512, **SHAPE}.items():
        options.add_argument(f"--{name}", type=int, default=value)
    options.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--variant", help=argparse.SUPPRESS)
    return options.parse_args()


def main() -> None:
    """Command line."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.worker:
        work(options)
        return
    numbers = compare(options)
    head = {
        "parameters": "parameters",
        "trained": "trained",
        "peak_memory_mb": "memory MiB",
        "seconds_per_step": "s/step",
        "cpu_seconds_per_step": "CPU s/step",
        "ratio_to_full": "x full",
    }
    rows = [[name, *(row[field] for field in head)] for name, row in numbers["variants"].items()]
    print(f"{numbers['threads']} threads, {options.batch} x {options.context} tokens, {options.precision}")
    print_table(["variant", *head.values()], rows)
    write_json(options.json, {"lora": numbers})


if __name__ == "__main__":
    main()
