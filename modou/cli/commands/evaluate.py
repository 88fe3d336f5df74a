"""modou evaluate: evaluates a trained run again."""

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import CHECKPOINT, COMMON, SAMPLING, Command, Own, out, seed
from modou.cli.training import checkpoint, overwritten, run_folder
from modou.messages import UserError
from modou.settings.evaluate import EvaluateSettings
from modou.settings.methods import METHODS
from modou.settings.sampling import SamplingSettings

GROUPS = {"evaluate": EvaluateSettings, "sampling": SamplingSettings}
WITHOUT = ("evaluate.quick_characters", "sampling.samples")
"""Only for evaluations during training; always one."""


def run(asked: Asked) -> int:
    """Given settings override the run's. UserError: one has no effect on this run."""
    folder, which = run_folder(asked), checkpoint(asked)
    given = asked.settings().model_dump(exclude_unset=True)
    from modou.pipeline.runner import again
    from modou.runs.folder import RunFolder
    from modou.runs.record import Record

    here = RunFolder(folder)
    if (file := asked["text"]) is not None:
        from modou.pipeline.score import score_file

        return console.shown(asked, score_file(here, file, which))
    if given:
        method = METHODS[Record.read(here).method]
        for option in (f"{group}.{name}" for group, values in given.items() for name in values):
            if option.split(".")[0] not in method.groups or option in overwritten(method):
                raise UserError("cli.without_effect", option=f"--{option}", path=folder, method=method.name)
    return console.shown(asked, again(here, "evaluate", given, which))


COMMAND = Command(
    "evaluate",
    run,
    ("[RUN]",),
    (out("out_run"), CHECKPOINT, Own("text", metavar="FILE"), seed("sampling.seed", chosen="run"), *COMMON),
    tuple(GROUPS),
    WITHOUT,
    SAMPLING,
    chosen={f"{group}.{name}": "run" for group, fields in GROUPS.items() for name in fields.model_fields},
    goes_on=True,
)
