"""modou report: writes a run's report again."""

from modou.cli import console
from modou.cli.asked import Asked
from modou.cli.spec import COMMON, Command, out
from modou.cli.training import run_folder


def run(asked: Asked) -> int:
    folder = run_folder(asked)
    from modou.pipeline.runner import again
    from modou.runs.folder import RunFolder

    return console.shown(asked, again(RunFolder(folder), "report", {}))


COMMAND = Command("report", run, ("[RUN]",), (out("out_run"), *COMMON), goes_on=True)
