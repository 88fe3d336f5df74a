"""Measurements of this machine: matrix multiplication rate, memory, and training speed."""

import sys
import time
from pathlib import Path

import torch

from modou.model.device import choose_device
from modou.model.gpt import GPT
from modou.settings.run import RunSettings
from modou.train.malloc import keep_freed_memory
from modou.train.optim import make_optimizers
from modou.train.parallel import World, parallelize

SIZES = (1024, 2048)


def matrix_rate(device: torch.device, seconds: float = 0.5, dtype: torch.dtype = torch.float32) -> float:
    """FLOP/s of the faster of 1024³ and 2048³ matrix products; both are repeated for `seconds`, the best counts."""
    pairs = {
        n: (torch.randn(n, n, device=device, dtype=dtype), torch.randn(n, n, device=device, dtype=dtype)) for n in SIZES
    }
    best = 0.0
    began = time.perf_counter()
    while True:
        for size, (left, right) in pairs.items():
            best = max(best, 2 * size**3 / _time(left, right, device))
        if time.perf_counter() - began > seconds:
            return best


def _time(left: torch.Tensor, right: torch.Tensor, device: torch.device) -> float:
    wait(device)
    began = time.perf_counter()
    torch.mm(left, right)
    wait(device)
    return time.perf_counter() - began


def wait(device: torch.device) -> None:
    """Waits until the device has finished its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory in MiB: allocated on a GPU, else resident memory of this process; 0 if unknown.

    getrusage is not used on Linux: a process inherits the peak of its parent.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM")), 0.0)
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure_pace(settings: RunSettings, seconds: float = 2.0) -> float:
    """Training tokens per second on this machine, from steps on random tokens for about `seconds`."""
    keep_freed_memory()
    device = choose_device(settings.train.device)
    generator = torch.Generator().manual_seed(0)
    model = parallelize(GPT(settings.model), World(device))
    if settings.train.compile:
        model.training_hidden = torch.compile(model.hidden)
    optimizers = make_optimizers(model, settings.optimizer)
    shape = (settings.train.micro_batch or settings.train.batch, settings.model.context)
    ids = torch.randint(0, settings.model.vocabulary, shape, generator=generator).to(device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.train.precision == "bfloat16"):
            loss = model.loss(ids, ids)
        (loss / ids.numel()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    step()  # warm-up: the first allocates memory and chooses kernels
    wait(device)
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or done < 2:
        step()
        wait(device)
        done += 1
    return done * ids.numel() / (time.perf_counter() - began)
