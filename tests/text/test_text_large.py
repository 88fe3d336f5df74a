"""A large book in a small process: memory does not grow with the book."""

import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
import resource, sys
from pathlib import Path
from modou.text.corpus import prepare
from modou.text.readers.book import read_book
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
prepare(read_book(Path(sys.argv[1])), Path(sys.argv[2]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read with the resource module")
@pytest.mark.parametrize("end", ["\n", ""])
def test_memory_stays_small(tmp_path: Path, end: str) -> None:
    path = tmp_path / "book.txt"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(1, 8001):
            heading = f"第{number}章 豆\n" if end else ""
            stream.write(heading + f"第{number}天的井里长出了一根青藤，阿青数了又数，还是{number}根！" * 60 + end)
    assert path.stat().st_size > 30_000_000
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150
