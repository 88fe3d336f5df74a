"""An imported model (`modou import`): it has no training, and no text of its own to be evaluated on."""

from typing import Self

from modou.messages import UserError, quoted
from modou.methods.base import Method
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.settings.origin import ImportRun


class ImportMethod(Method[ImportRun]):
    """There is never one: the run is made whole by modou.interop.importing."""

    trains = False

    def __new__(cls, run: RunFolder, record: Record[ImportRun]) -> Self:
        """UserError: what can be done with the run instead."""
        raise UserError("run.imported", path=quoted(str(run.path), plain=True))


METHOD = ImportMethod
