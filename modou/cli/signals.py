"""Ctrl-C and SIGTERM: the first requests a stop after the current step, the second exits at once.

Used by commands that train, and by `modou chat`, where Ctrl-C stops an answer.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """While it is entered, the first signal sets `requested` and calls `say`; the second is a KeyboardInterrupt.

    `say` runs inside a signal handler: it must not take locks. Without effect outside the main thread.
    """

    def __init__(self, say: Callable[[], None], numbers: Sequence[signal.Signals] = _SIGNALS) -> None:
        self._say, self._numbers = say, numbers
        self._requested = False
        self._before: dict[signal.Signals, Any] = {}

    def requested(self) -> bool:
        """Whether a signal asked to stop."""
        return self._requested

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in self._numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        self._say()
