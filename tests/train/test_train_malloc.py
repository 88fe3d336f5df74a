"""Keeping freed memory: a block larger than glibc keeps by itself (32 MiB) is used again, in a process of its own."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from modou.train.malloc import keep_freed_memory
kept = keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 << 20).sum()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first, later = faults(), min(faults() for _ in range(8))
print(kept, first, later)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_a_later_block_costs_no_new_pages() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, encoding="utf-8")
    kept, first, later = done.stdout.split()
    assert kept == "True"
    assert int(later) * 10 < int(first)
