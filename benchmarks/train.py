"""Training speed and memory of the 8.87M model: modou and a plain implementation of the same shape.

    python benchmarks/train.py [--device cpu|cuda] [--threads N] [--rounds N] [--steps N] [--layout learned|rope|modern]
                               [--variants naive eager compiled muon muon-compiled] [--json FILE]

naive      a plain nn.Module (benchmarks/article_model.py): explicit attention, cross-entropy over all logits, torch's
           default AdamW
eager      modou: its GPT, loss, clipping, fused AdamW
compiled   the same with torch.compile (compile time is reported separately)
muon       eager, with Muon for the matrices

6 layers, 256 wide, 8 heads, context 128, vocabulary 8000, untied; 16 x 128 tokens a step; float32 on a CPU, bfloat16
autocast on a GPU. Every variant runs in a separate process; they step in turn, round after round, and the speed of
matrix products is measured before each, so that all see the same load of the machine.

share of peak = tokens/s x (6 x multiplied parameters + 12 x layers x width x context) / the better rate of the 1024^3
and 2048^3 products just before, on the same threads; embedding look-ups and the optimizer are not counted. Peak memory:
resident (CPU) above that of a bare `import torch`, or allocated (CUDA). Medians over rounds; `ratio`: rate relative to
naive in the same round.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from common import Worker, parser, print_table, resident_mb, write_json

BARE_MB = resident_mb()
"""Resident memory right after `import torch`."""

VARIANTS = ("naive", "eager", "compiled", "muon", "muon-compiled")
LAYOUTS = {"learned": ("classic", "learned"), "rope": ("classic", "rope"), "modern": ("modern", "rope")}
TORCH_TYPES = {"cpu": torch.float32, "cuda": torch.bfloat16}


def shape(options: argparse.Namespace) -> dict[str, Any]:
    """The model settings."""
    style, position = LAYOUTS[options.layout]
    names = ("vocabulary", "layers", "width", "heads", "context")
    return {"style": style, "position": position, "tied": False} | {n: getattr(options, n) for n in names}


def naive_step(options: argparse.Namespace, device: torch.device) -> Callable[[torch.Tensor], float]:
    """A function that makes one update of the plain model and returns the loss."""
    from article_model import ArticleGPT

    from modou.settings.model import ModelSettings

    plain = shape(options) | {"style": "classic"}
    model = ArticleGPT(ModelSettings.parse(plain)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)

    def step(ids_BT: torch.Tensor) -> float:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = model.mean_loss(ids_BT, ids_BT)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def our_step(options: argparse.Namespace, device: torch.device) -> Callable[[torch.Tensor], float]:
    """A function that makes one update as modou.train.loop does and returns the loss."""
    from modou.model.gpt import GPT
    from modou.settings.model import ModelSettings
    from modou.settings.train import OptimizerSettings
    from modou.train.malloc import keep_freed_memory
    from modou.train.optim import make_optimizers

    keep_freed_memory()
    model = GPT(ModelSettings.parse(shape(options))).to(device)
    if options.variant.endswith("compiled"):
        model.training_hidden = torch.compile(model.hidden)
    rates = {"name": "muon"} if options.variant.startswith("muon") else {"name": "adamw", "matrix_lr": 0.001}
    settings = OptimizerSettings.parse(rates)
    optimizers = make_optimizers(model, settings)

    def step(ids_BT: torch.Tensor) -> float:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            nats = model.loss(ids_BT, ids_BT)
        (nats / ids_BT.numel()).backward()
        value = nats.item() / ids_BT.numel()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip).item()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return value

    return step


def work(options: argparse.Namespace) -> None:
    """The worker: reports its first step, then answers each message (a number of steps) with their seconds."""
    device = torch.device(options.device)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    ids_BT = torch.randint(options.vocabulary, (options.batch, options.context), generator=generator).to(device)
    step = (naive_step if options.variant == "naive" else our_step)(options, device)

    def timed(steps: int) -> dict[str, Any]:
        began = time.perf_counter()
        for _ in range(steps):
            loss = step(ids_BT)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        if device.type == "cuda":
            return {"seconds": seconds, "loss": loss, "memory_mb": torch.cuda.max_memory_allocated() / 2**20}
        return {"seconds": seconds, "loss": loss, "memory_mb": resident_mb() - BARE_MB}

    print(json.dumps(timed(1)), flush=True)
    for question in sys.stdin:
        print(json.dumps(timed(json.loads(question))), flush=True)


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of all variants."""
    from modou.model.census import describe
    from modou.settings.model import ModelSettings
    from modou.train.measure import matrix_rate

    device, dtype = torch.device(options.device), TORCH_TYPES[options.device]
    census = describe(ModelSettings.parse(shape(options)))
    arguments = sys.argv[1:]
    seconds: dict[str, list[float]] = {name: [] for name in options.variants}
    peaks: dict[str, list[float]] = {name: [] for name in options.variants}
    with ExitStack() as stack:
        workers, firsts, last = {}, {}, {}
        for name in options.variants:  # one after another: compiling takes all cores
            workers[name] = stack.enter_context(Worker(__file__, *arguments, "--variant", name))
            firsts[name] = workers[name].answer()["seconds"]
            workers[name].ask(1)
        for _ in range(options.rounds):
            for name, worker in workers.items():
                peaks[name].append(matrix_rate(device, options.peak_seconds, dtype))
                last[name] = worker.ask(options.steps)
                seconds[name].append(last[name]["seconds"])
    tokens = options.steps * options.batch * options.context
    numbers: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "layout": options.layout,
        "model": {"parameters": census.total, "flops_per_token": census.flops_per_token},
        "batch": {"rows": options.batch, "context": options.context},
        "peak_gflops": statistics.median(peak for rates in peaks.values() for peak in rates) / 1e9,
        "variants": {},
    }
    for name in options.variants:
        flops = tokens * census.flops_per_token
        shares = [flops / spent / peak for spent, peak in zip(seconds[name], peaks[name], strict=True)]
        numbers["variants"][name] = {
            "tokens_per_second": tokens / statistics.median(seconds[name]),
            "share_of_peak": statistics.median(shares),
            "ratio_to_naive": ratio(seconds, name),
            "peak_memory_mb": last[name]["memory_mb"],
            "first_step_seconds": firsts[name],
        }
    return numbers


def ratio(seconds: dict[str, list[float]], name: str) -> float | None:
    """Median over rounds of naive's time / this variant's; None without naive."""
    if "naive" not in seconds:
        return None
    return statistics.median(other / own for own, other in zip(seconds[name], seconds["naive"], strict=True))


def arguments() -> argparse.Namespace:
    """Command line."""
    options = parser(__doc__)
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--layout", choices=[*LAYOUTS], default="learned")
    options.add_argument("--variants", nargs="+", choices=VARIANTS, help="default: all that this machine can run")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--steps", type=int, default=4, help="steps of a variant in a round")
    options.add_argument("--peak-seconds", type=float, default=0.2, help="of matrix products before each variant")
    for name, value in {"batch": 16, "layers": 6, "width": 256, "heads": 8, "context": 128, "vocabulary": 8000}.items():
        options.add_argument(f"--{name}", type=int, default=value)
    options.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--variant", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.variants is None:
        compiles = asked.device == "cuda" or any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl"))
        asked.variants = [name for name in VARIANTS if compiles or not name.endswith("compiled")]
    return asked


def main() -> None:
    """Command line."""
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.worker:
        work(options)
        return
    numbers = compare(options)
    print(f"{numbers['device']}, {numbers['threads']} threads, matrix product {numbers['peak_gflops']:.1f} GFLOP/s")
    fields = ("tokens_per_second", "share_of_peak", "ratio_to_naive", "peak_memory_mb", "first_step_seconds")
    print_table(
        ["variant", "tokens/s", "share of peak", "x naive", "memory MiB", "first step s"],
        [[name, *(row[field] for field in fields)] for name, row in numbers["variants"].items()],
    )
    write_json(options.json, {"train": numbers})


if __name__ == "__main__":
    main()
