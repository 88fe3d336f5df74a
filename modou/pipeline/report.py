"""report.json of a run (fields: docs/machine-readable.md) and its HTML page."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from modou import storage
from modou.messages import language, tell
from modou.methods.base import Method
from modou.methods.figures import Report, RunFacts
from modou.report.page import write_report
from modou.runs.folder import RunFolder
from modou.runs.logs import METRICS, lines_of
from modou.runs.record import Record
from modou.runs.stages import damage
from modou.train.environment import TrainingEnvironment


@dataclass(frozen=True)
class ReportFigures:
    """The stage report."""

    path: str
    """The page, or the JSON file of a method that has no page."""


def collect(folder: RunFolder, record: Record[Any], method: Method[Any]) -> Report:
    """The report of a run that was evaluated. UserError: it was not, or the record of a stage is damaged."""
    problem = damage(folder, "train")
    if problem:
        tell(problem)
    inputs = {name: source.path for name, source in record.inputs.items()}
    machine = storage.read_json(folder.environment) if folder.environment.exists() and not problem else None
    common = Report(
        modou=version("modou"),
        run=RunFacts(name=folder.path.name, method=record.method, finished=True, **inputs),
        settings=record.settings.model_dump(mode="json"),
        environment=storage.parse_written(TrainingEnvironment, machine, folder.environment) if machine else None,
    )
    return method.report(common, lines_of(folder, METRICS))


def write(report: dict[str, Any], folder: RunFolder, method: Method[Any]) -> Path:
    """Writes report.json, and the page where the method has one; returns the path of the page, else of the JSON."""
    if method.has_page:
        return write_report(report, folder, language())
    storage.write_json_atomically(folder.report_json, report)
    return folder.report_json
