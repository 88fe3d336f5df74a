"""Fixtures all tests share: the real corpora (skipped with a reason where absent) and a clean environment."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# One thread a process, subprocesses included, unless asked otherwise: on few cores more of them wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No example fails because a machine is slow or busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _english_messages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Messages are English unless a test says otherwise."""
    monkeypatch.setenv("MODOU_LANG", "en")
    yield


@pytest.fixture
def float64() -> Iterator[None]:
    """New tensors and models are float64: what equals another sum of the same does so on any CPU."""
    import torch  # not by the process that only hands out tests

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real corpora, named by MODOU_DATA."""
    folder = os.environ.get("MODOU_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("MODOU_DATA names no folder of corpora")
    return Path(folder)


@pytest.fixture(scope="session")
def shuihu_path(data_folder: Path) -> Path:
    """水浒传, one chapter a line."""
    path = data_folder / "raw_shuihu.txt"
    if not path.is_file():
        pytest.skip("MODOU_DATA has no raw_shuihu.txt")
    return path
