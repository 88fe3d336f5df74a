"""`modou export RUN --to TARGET`: a run's model as files for other software."""

from typing import Any

from modou.interop.portable import Portable
from modou.messages import UserError
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_weights
from modou.settings.methods import METHODS
from modou.settings.sampling import SamplingSettings


def load_portable(run: RunFolder, which: str | int = "best") -> Portable:
    """The model of a run, adapters merged, with what an export needs to know of it.

    UserError: as `load_weights`; an implicit reward model, which no other library has.
    """
    record = Record[Any].read(run)
    method = METHODS[record.method]
    if method.network(record.settings) == "implicit":
        raise UserError("interop.implicit", path=run.path)
    model, tokenizer, step = load_weights(run, which)
    return Portable(
        name=run.path.resolve().name,
        settings=model.settings,
        weights={name: tensor.detach() for name, tensor in model.state_dict().items()},
        tokenizer=tokenizer,
        answers=record.answers,
        sampling=getattr(record.settings, "sampling", SamplingSettings()),
        scores=method.scores,
        step=step,
    )
