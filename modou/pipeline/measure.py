"""How fast this machine multiplies matrices: the yardstick that speeds are told in."""

import sys
import time
from pathlib import Path

import torch

SIZES = (1024, 2048)


def matrix_rate(device: torch.device, seconds: float = 0.5, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of the better of the 1024³ and 2048³ products, interleaved."""
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
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory so far in MiB: allocated on a GPU, resident of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resident_peak_mb()


def resident_peak_mb() -> float:
    """Largest resident set of this process so far, MiB; 0 where the system does not tell.

    Linux's getrusage would not do: a process inherits the peak of the one that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM")), 0.0)
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
