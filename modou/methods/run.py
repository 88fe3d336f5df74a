"""What `modou.load` gives to programs: a Session that can also be evaluated."""

from typing import Any

from modou.generate.session import Session
from modou.methods import method_class
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.train.events import StageEnded


class Run(Session):
    """A trained run: generate, stream, chat, stream_chat and score (see Session), and evaluate."""

    def evaluate(self) -> dict[str, Any]:
        """The figures of this checkpoint on what its run held out, as in the "evaluate" part of `modou evaluate --json`
        (docs/machine-readable.md): for a pretrained run test, validation, baselines, novelty and so on.

        Minutes for a long book; nothing in the folder changes. ValueError: what the run was trained on is gone, or not
        as it was.
        """
        folder = RunFolder(self.path)
        record = Record[Any].read(folder)
        method = method_class(record.method)(folder, record)
        events = method.evaluate(record.settings, self.step)
        return next(event.numbers for event in events if isinstance(event, StageEnded))
