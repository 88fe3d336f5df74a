"""Measurements of this machine: matrix multiplication rate and memory."""

import sys
import time
from pathlib import Path

import torch

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
