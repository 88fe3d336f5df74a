"""The environment of a run: versions, machine, threads."""

import datetime
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy
import sentencepiece
import torch


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Versions and machine."""

    modou: str
    """Version of modou."""
    date: str
    """Date and time, as YYYY-MM-DD HH:MM."""
    python: str
    """Version of Python."""
    torch: str
    """Version of PyTorch."""
    numpy: str
    """Version of NumPy."""
    sentencepiece: str
    """Version of SentencePiece."""
    platform: str
    """Operating system."""
    cpu: str
    """Model of the processor."""
    cores: int
    """Cores that the process may use."""
    threads: int
    """Threads that PyTorch uses."""
    memory_gb: float
    """Physical memory in GiB; 0: unknown."""
    device: str
    """cpu, or the model of the GPU."""


@dataclass(frozen=True, kw_only=True)
class TrainingEnvironment(Environment):
    """Versions and machine of a training."""

    peak_memory_mb: float
    """Largest memory in MiB: of the process (CPU), or allocated (GPU)."""
    matrix_gflops: dict[Literal["before", "after", "best"], float] | None = None
    """Rate of matrix multiplication in 10⁹ FLOP/s before and after training, and the best of several measurements;
    absent where no utilisation is reported."""


def environment(device: torch.device) -> Environment:
    """For environment.json; nothing that identifies a person or a path."""
    return Environment(
        modou=version("modou"),
        date=datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        python=platform.python_version(),
        torch=torch.__version__,
        numpy=numpy.__version__,
        sentencepiece=sentencepiece.__version__,
        platform=platform.platform(terse=True),
        cpu=cpu_name(),
        cores=available_cores(),
        threads=torch.get_num_threads(),
        memory_gb=round(memory_gb(), 1),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    )


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's model name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def memory_gb() -> float:
    """Physical memory in GiB; 0 if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return 0.0
