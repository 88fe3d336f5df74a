"""The environment of a run: versions, machine, threads."""

import datetime
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import sentencepiece
import torch


def environment(device: torch.device) -> dict[str, Any]:
    """For environment.json; nothing that identifies a person or a path."""
    return {
        "modou": version("modou"),
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "sentencepiece": sentencepiece.__version__,
        "platform": platform.platform(terse=True),
        "cpu": cpu_name(),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(memory_gb(), 1),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


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
