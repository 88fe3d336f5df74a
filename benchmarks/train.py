"""Training speed and memory of the 8.87M model: modou in every way it can compute a step, and a plain implementation.

    python benchmarks/train.py [--device cpu|cuda] [--threads N] [--rounds N] [--steps N] [--layout learned|rope|modern]
                               [--optimizer muon|adamw] [--variants naive float32 bfloat16-products ...] [--json FILE]

naive           a plain nn.Module (benchmarks/article_model.py): explicit attention, cross-entropy over all logits,
                torch's default AdamW
float32         modou: its GPT, loss, clipping and optimizer, as the training loop computes a step (modou/train/ways.py)
bfloat16        the same with matrix products, and Muon's iteration, in bfloat16
...-products    attention by plain products, instead of torch's kernel (CPU)
...-compiled    with torch.compile (compile time is reported separately)

Without --variants: all that this machine can do; on a GPU those in bfloat16, since naive's products are bfloat16 there,
too (autocast). 6 layers, 256 wide, 8 heads, context 128, vocabulary 8000, untied; 16 x 128 tokens a step. Every variant
runs in a separate process; they step in turn, round after round, and the speed of matrix products is measured before
each, so that all see the same load of the machine.

share of peak = tokens/s x (6 x multiplied parameters + 12 x layers x width x context) / the better rate of the 1024^3
and 2048^3 products just before, on the same threads; embedding look-ups and the optimizer are not counted. The peak is
float32's on a CPU, whatever the variant (bfloat16 may exceed it), and bfloat16's on a GPU. Memory: peak of the process
above what its imports take (CPU), or allocated (CUDA). Medians over rounds; x naive, x float32: rate relative to these
in the same round. Differences: of the first step's loss and gradient from float32's, relative to these.
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
from article_model import ArticleGPT
from common import Worker, parser, print_table, write_json

from modou.model.census import describe
from modou.model.products import PRECISIONS
from modou.settings.model import ModelSettings
from modou.settings.run import RunSettings
from modou.train.measure import matrix_rate, peak_memory_mb, wait
from modou.train.ways import REFERENCE, TrialStep, Way, differences, usable

BARE_MB = peak_memory_mb(torch.device("cpu"))
"""Memory of this process before any work."""

WAYS = {
    precision + "-products" * (kernel == "products") + "-compiled" * compiled: Way(precision, kernel, compiled)
    for compiled in (False, True)
    for precision in PRECISIONS
    for kernel in ("sdpa", "products")
}
VARIANTS = ("naive", *WAYS)
LAYOUTS = {"learned": ("classic", "learned"), "rope": ("classic", "rope"), "modern": ("modern", "rope")}
PEAK_TYPES = {"cpu": torch.float32, "cuda": torch.bfloat16}
RATES: dict[str, dict[str, Any]] = {"muon": {}, "adamw": {"matrix_lr": 0.001}}
"""Options of each optimizer."""


def offered(device: torch.device) -> list[str]:
    """The variants that this machine can run, and that differ on it."""
    found = [name for name, way in WAYS.items() if usable(way, device) == way]
    if device.type != "cpu":  # attention has one kernel there, and naive's products are bfloat16
        found = [name for name in found if (WAYS[name].precision, WAYS[name].attention) == ("bfloat16", "sdpa")]
    return ["naive", *found]


def shape(options: argparse.Namespace) -> dict[str, Any]:
    """The model settings."""
    style, position = LAYOUTS[options.layout]
    names = ("vocabulary", "layers", "width", "heads", "context")
    return {"style": style, "position": position, "tied": False} | {n: getattr(options, n) for n in names}


def run_settings(options: argparse.Namespace) -> RunSettings:
    """The settings of modou's step."""
    optimizer = {"name": options.optimizer} | RATES[options.optimizer]
    train = {"batch": options.batch, "device": options.device}
    return RunSettings.parse({"model": shape(options), "train": train, "optimizer": optimizer})


def naive_step(options: argparse.Namespace, device: torch.device) -> Callable[[], object]:
    """A function that makes one update of the plain model."""
    model = ArticleGPT(ModelSettings.parse(shape(options) | {"style": "classic"})).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    ids_BT = torch.randint(options.vocabulary, (options.batch, options.context)).to(device)

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = model.mean_loss(ids_BT, ids_BT.roll(-1, 1))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def our_step(options: argparse.Namespace) -> Callable[[], object]:
    """A function that makes one update of modou's model."""
    trial, way = TrialStep(run_settings(options)), WAYS[options.variant]
    return lambda: trial(way)


def work(options: argparse.Namespace) -> None:
    """The worker: reports its first step, then answers each message (a number of steps) with their seconds."""
    device = torch.device(options.device)
    torch.manual_seed(0)
    step = naive_step(options, device) if options.variant == "naive" else our_step(options)
    bare = BARE_MB if device.type == "cpu" else 0.0

    def timed(steps: int) -> dict[str, Any]:
        wait(device)
        began = time.perf_counter()
        for _ in range(steps):
            step()
        wait(device)
        return {"seconds": time.perf_counter() - began, "memory_mb": peak_memory_mb(device) - bare}

    print(json.dumps(timed(1)), flush=True)
    for question in sys.stdin:
        print(json.dumps(timed(json.loads(question))), flush=True)


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of all variants."""
    device, dtype = torch.device(options.device), PEAK_TYPES[options.device]
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
    off = first_differences(options)
    numbers: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "layout": options.layout,
        "optimizer": options.optimizer,
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
            "ratio_to_naive": ratio(seconds, "naive", name),
            "ratio_to_float32": ratio(seconds, "float32", name),
            "peak_memory_mb": last[name]["memory_mb"],
            "first_step_seconds": firsts[name],
            "loss_difference": off[name][0] if name in off else None,
            "gradient_difference": off[name][1] if name in off else None,
        }
    return numbers


def first_differences(options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Of our variants: how loss and gradient of the first step differ from float32's."""
    ways = {name: WAYS[name] for name in options.variants if name in WAYS}
    found = differences(TrialStep(run_settings(options)), [REFERENCE, *ways.values()])
    return {name: found[way] for name, way in ways.items()}


def ratio(seconds: dict[str, list[float]], reference: str, name: str) -> float | None:
    """Median over rounds of the reference's time / this variant's; None without the reference."""
    if reference not in seconds:
        return None
    return statistics.median(other / own for own, other in zip(seconds[name], seconds[reference], strict=True))


def arguments() -> argparse.Namespace:
    """Command line."""
    options = parser(__doc__)
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--layout", choices=[*LAYOUTS], default="learned")
    options.add_argument("--optimizer", choices=[*RATES], default="muon", help="of modou's variants")
    options.add_argument("--variants", nargs="+", choices=VARIANTS, help="default: all that this machine can run")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--steps", type=int, default=4, help="steps of a variant in a round")
    options.add_argument("--peak-seconds", type=float, default=0.2, help="of matrix products before each variant")
    for name, value in {"batch": 16, "layers": 6, "width": 256, "heads": 8, "context": 128, "vocabulary": 8000}.items():
        options.add_argument(f"--{name}", type=int, default=value)
    options.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--variant", help=argparse.SUPPRESS)
    asked = options.parse_args()
    device = torch.device(asked.device)
    asked.variants = asked.variants or offered(device)
    lacking = [name for name in asked.variants if name in WAYS and usable(WAYS[name], device) != WAYS[name]]
    if lacking:
        options.error(f"this machine lacks what they need: {', '.join(lacking)}")
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
    head = {
        "tokens_per_second": "tokens/s",
        "share_of_peak": "share of peak",
        "ratio_to_naive": "x naive",
        "ratio_to_float32": "x float32",
        "peak_memory_mb": "memory MiB",
        "first_step_seconds": "first step s",
        "loss_difference": "loss diff.",
        "gradient_difference": "gradient diff.",
    }
    rows = [[name, *(row[field] for field in head)] for name, row in numbers["variants"].items()]
    print_table(["variant", *head.values()], rows)
    write_json(options.json, {"train": numbers})


if __name__ == "__main__":
    main()
