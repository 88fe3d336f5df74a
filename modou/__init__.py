"""modou (魔豆): grow a GPT from your own text, on the computer you have, with every step visible.

import modou

run = modou.load("runs/novel")
run.generate("The rain", tokens=200)
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modou.methods.run import Run, Session

__all__ = ["Run", "Session", "load"]


def load(path: str | Path, checkpoint: str | int = "best", device: str = "auto") -> "Run":
    """The run in the folder `path`, ready to write, answer, score and be evaluated.

    checkpoint: "best", "latest", or the number of a step. device: "auto", "cpu", "cuda" or "mps".
    ValueError: no run, no such checkpoint or device, a reward model.
    """
    from modou.methods.run import Run  # torch takes seconds: it is imported when a model is wanted

    return Run.load(path, checkpoint, device)


def __getattr__(name: str) -> Any:
    if name in ("Run", "Session"):
        from modou.methods import run

        return getattr(run, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("modou")
    raise AttributeError(f"module 'modou' has no attribute {name!r}")
