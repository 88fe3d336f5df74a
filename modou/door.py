"""What `modou.load` gives to programs: a Session that can also be evaluated."""

from typing import Any

from modou.errors import UserError
from modou.generate.session import Session
from modou.runs.folder import RunFolder, method_of


class Run(Session):
    """A trained run: generate, stream, chat, stream_chat and score (see Session), and evaluate."""

    def evaluate(self) -> dict[str, Any]:
        """The figures of this checkpoint on the run's held-out chapters, as in the "evaluate" part of
        `modou evaluate --json` (docs/machine-readable.md): test, validation, baselines, novelty and so on.

        Minutes for a long book; nothing in the folder changes. ValueError: a run that `modou sft` or a later method
        made, which has no held-out chapters.
        """
        from modou.pipeline.evaluation import judge
        from modou.pipeline.events import StageEnded
        from modou.pipeline.frozen import Frozen

        folder = RunFolder(self.path)
        if method_of(folder) != "pretrain":
            raise UserError("generate.nothing_held_out", path=self.path)
        events = judge(folder, Frozen.read(folder).settings, self.step)
        return next(event.numbers for event in events if isinstance(event, StageEnded))
