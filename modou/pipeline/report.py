"""report.json of a run (fields: docs/machine-readable.md) and its HTML page."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from modou import storage
from modou.messages import language, tell
from modou.methods.base import Method
from modou.report.page import write_report
from modou.runs.folder import RunFolder
from modou.runs.logs import METRICS, lines_of
from modou.runs.record import Record
from modou.runs.stages import damage


def collect(folder: RunFolder, record: Record[Any], method: Method[Any], figures: dict[str, Any]) -> dict[str, Any]:
    """The report as plain values; `figures`: the results of the evaluation stage."""
    problem = damage(folder, "train")
    if problem:
        tell(problem)
    inputs = {name: source.path for name, source in record.inputs.items()}
    common: dict[str, Any] = {
        "modou": version("modou"),
        "run": {"name": folder.path.name, "method": record.method, **inputs, "finished": True},
        "settings": record.settings.model_dump(mode="json"),
        "environment": storage.read_json(folder.environment) if folder.environment.exists() and not problem else {},
        **figures,
    }
    return method.report(common, lines_of(folder, METRICS))


def write(report: dict[str, Any], folder: RunFolder, method: Method[Any]) -> Path:
    """Writes report.json, and the page where the method has one; returns the path of the page, else of the JSON."""
    if method.has_page:
        return write_report(report, folder, language())
    storage.write_json_atomically(folder.report_json, report)
    return folder.report_json
