"""A long call beside its stage's events: its progress, its result, its errors, its end."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from modou.methods.background import in_background
from modou.train.events import StageProgress


def drained(events: Iterator[StageProgress]) -> tuple[list[StageProgress], Any]:
    seen: list[StageProgress] = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as end:
            return seen, end.value


def test_the_result_comes_back_and_progress_only_rises() -> None:
    go = threading.Event()

    def call(tell: Callable[[float], None]) -> str:
        tell(0.5)
        tell(0.2)
        go.wait()
        return "done"

    events = in_background("clean", call)
    first = next(events)
    go.set()
    rest, result = drained(events)
    assert result == "done"
    assert [first, *rest] == [StageProgress("clean", 0.5, 1)] * (1 + len(rest))


def test_an_error_is_raised_where_the_events_are_read() -> None:
    def call(tell: Callable[[float], None]) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drained(in_background("clean", call))


def test_closing_the_events_ends_the_call() -> None:
    ended = threading.Event()

    def call(tell: Callable[[float], None]) -> None:
        try:
            while True:
                tell(0.1)
        finally:
            ended.set()

    events = in_background("clean", call)
    assert next(events).total == 1
    events.close()
    assert ended.is_set()
