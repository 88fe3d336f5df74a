"""modou export: a run's model as files for other software."""

from pathlib import Path

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import CHECKPOINT, COMMON, Command, Own, out
from modou.cli.training import checkpoint
from modou.messages import UserError


def run(asked: Asked) -> int:
    which, to = checkpoint(asked), asked["to"]
    if to is None:
        from modou.interop.exports import TARGETS

        raise UserError("interop.no_target", usage=asked.spec.usage, names=", ".join(TARGETS))
    from modou.interop.export import ExportRequest, export
    from modou.runs.folder import RunFolder

    request = ExportRequest(
        to, console.path(asked["out"]), asked["quantize"], which, asked.switched("adapter"), asked["base"]
    )
    return console.shown(asked, export(RunFolder(Path(asked.words["RUN"])), request))


COMMAND = Command(
    "export",
    run,
    ("RUN",),
    (
        Own("to", metavar="TARGET"),
        out("out_export"),
        Own("quantize", metavar="TYPE"),
        Own("adapter", "switch"),
        Own("base", metavar="DIR", said="base_export"),
        CHECKPOINT,
        *COMMON,
    ),
)
