"""The object that `modou.load` returns: a Session that can also be evaluated."""

from typing import Any

from modou.generate.session import Session
from modou.methods import method_class
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.train.events import StageEnded

__all__ = ["Run", "Session"]


class Run(Session):
    """A trained run: generate, stream, chat, stream_chat and score (see Session), and evaluate."""

    def evaluate(self) -> dict[str, Any]:
        """The metrics of this checkpoint on the run's held-out data, as in the "evaluate" part of `modou evaluate
        --json` (docs/machine-readable.md): for a pretrained run test, validation, baselines, novelty and so on.

        Takes minutes for a long book; changes no file. ValueError: the training data is missing or was changed.
        """
        folder = RunFolder(self.path)
        record = Record[Any].read(folder)
        method = method_class(record.method)(folder, record)
        events = method.evaluate(record.settings, self.step)
        return next(event.numbers for event in events if isinstance(event, StageEnded))
