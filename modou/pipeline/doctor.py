"""`modou doctor`: what this machine can do, and what stands in the way."""

import shutil
from pathlib import Path
from typing import Any

from modou.messages import text
from modou.model.device import choose_device
from modou.pipeline.environment import environment, memory_gb
from modou.pipeline.measure import matrix_rate

SLOW_GFLOPS = 20
SMALL_DISK_GB = 2
SMALL_MEMORY_GB = 3


def diagnose(out: Path | None = None) -> dict[str, Any]:
    """Facts and remarks; takes about a second."""
    device = choose_device("auto")
    gflops = matrix_rate(device) / 1e9
    free = shutil.disk_usage(_existing(out or Path())).free / 2**30
    compiler = any(shutil.which(name) for name in ("c++", "g++", "clang++", "cl"))
    remarks = [
        *([text("pipeline.doctor_slow", gflops=gflops)] if gflops < SLOW_GFLOPS else []),
        *([text("pipeline.doctor_disk", free=free)] if free < SMALL_DISK_GB else []),
        *([text("pipeline.doctor_memory", memory=memory_gb())] if 0 < memory_gb() < SMALL_MEMORY_GB else []),
        *([] if compiler else [text("pipeline.doctor_no_compiler")]),
    ]
    facts = environment(device) | {"matrix_gflops": gflops, "disk_free_gb": free, "compiler": compiler}
    return {"environment": facts, "remarks": remarks or [text("pipeline.doctor_fine")]}


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
