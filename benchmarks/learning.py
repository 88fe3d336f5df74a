"""Learning curves of runs: bits per character against seconds, tokens and floating-point operations.

    python benchmarks/learning.py RUN... [--models] [--html DIR] [--json FILE]

RUN are run folders. One row per evaluation in metrics.jsonl: validation bits per character of the weights and of their
average, training time, tokens, and operations (6 x multiplied parameters + 12 x layers x width x context per token,
without evaluation and optimizer). `--models`: one row per finished run from its report.json instead: size, speed, share
of the measured peak, memory, tokens, test bits per character with its 95 % interval, and with windows of 1, 2 and 4
times the training context; `--html DIR` also writes models.html and models.json.
"""

from pathlib import Path
from typing import Any

from common import parser, print_table, write_json
from comparison import summary, write_comparison

from modou import storage
from modou.messages import UserError
from modou.model.census import describe
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.settings.run import RunSettings


def curve(folder: RunFolder) -> list[dict[str, Any]]:
    """The evaluations of a run. UserError: no run there."""
    settings = Record[RunSettings].read(folder).settings
    flops = describe(settings.model).flops_per_token
    lines = storage.read_jsonl(folder.metrics) if folder.metrics.exists() else []
    tokens_each = settings.train.batch * settings.model.context
    points: list[dict[str, Any]] = []
    for line in lines:
        if line["kind"] == "evaluation":
            tokens = line["step"] * tokens_each
            numbers = line["numbers"]
            bits = numbers["validation"]["bits_per_char"]
            averaged = numbers.get("average", numbers)["validation"]["bits_per_char"]
            points.append(
                {"step": line["step"], "seconds": line["seconds"], "tokens": tokens, "flops": flops * tokens}
                | {"validation": {"bits_per_char": bits, "averaged": averaged, "best": min(bits, averaged)}}
            )
    return points


def model_row(folder: RunFolder) -> dict[str, Any]:
    """The figures of a finished run, from its report.json. UserError: there is none."""
    folder.require()
    report = storage.read_json(folder.report_json)
    return summary(report) | {"share_of_peak": report.get("training", {}).get("share_of_peak")}


def print_curves(curves: dict[str, list[dict[str, Any]]]) -> None:
    """Prints one row per evaluation."""
    rows: list[list[Any]] = []
    for name, points in curves.items():
        for p in points:
            bits = p["validation"]
            row = [name, p["step"], p["seconds"], p["tokens"], f"{p['flops']:.3e}"]
            rows.append([*row, bits["bits_per_char"], bits["averaged"]])
    print_table(["run", "step", "seconds", "tokens", "operations", "bits/char", "averaged"], rows)


def print_models(models: dict[str, dict[str, Any]]) -> None:
    """Prints one row per run."""
    rows = [
        [name, m["parameters"], m["tokens_per_second"], m["share_of_peak"], m["peak_memory_mb"], m["tokens"]]
        + [m["test"]["bits_per_char"], " - ".join(f"{end:.3f}" for end in m["test"]["interval"] or ())]
        + [(m["lengths"].get(times) or {}).get("bits_per_char") for times in ("1", "2", "4")]
        for name, m in models.items()
    ]
    head = ["run", "parameters", "tokens/s", "of peak", "memory MiB", "tokens", "test bits/char", "95 % interval"]
    print_table([*head, "1x", "2x", "4x"], rows)


def main() -> None:
    """Command line."""
    options = parser(__doc__)
    options.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    options.add_argument("--models", action="store_true", help="compare finished runs")
    options.add_argument("--html", type=Path, metavar="DIR", help="with --models: also write models.html there")
    asked = options.parse_args()
    folders = {path.resolve().name: RunFolder(path) for path in asked.runs}
    try:
        if asked.models:
            models = {name: model_row(folder) for name, folder in folders.items()}
            print_models(models)
            write_json(asked.json, {"models": models})
            if asked.html:
                write_comparison([storage.read_json(f.report_json) for f in folders.values()], asked.html)
        else:
            curves = {name: curve(folder) for name, folder in folders.items()}
            print_curves(curves)
            write_json(asked.json, {"learning": curves})
    except UserError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
