"""A long call in a thread, beside the events of its stage: they tell its progress, and a stop is obeyed between two."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from modou.train.events import StageName, StageProgress

R = TypeVar("R")

EVERY = 0.25
"""Seconds between two events."""


class _Stopped(Exception):
    """Raised in the thread where nobody waits for its result any longer."""


def in_background(stage: StageName, call: Callable[[Callable[[float], None]], R]) -> Generator[StageProgress, None, R]:
    """Returns the result of `call`, which is given a function to tell the share that is done, and tells it often. When
    the generator is closed, that function ends the call. Raises what `call` raises."""
    done, stopped = 0.0, False

    def tell(share: float) -> None:
        nonlocal done
        if stopped:
            raise _Stopped
        done = max(done, share)

    with ThreadPoolExecutor(max_workers=1) as pool:
        result = pool.submit(call, tell)
        try:
            while wait([result], timeout=EVERY).not_done:
                yield StageProgress(stage, done, 1)
        finally:
            stopped = True
    return result.result()
