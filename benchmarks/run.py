"""A whole `modou run`, as a user starts it: seconds of each stage and until the first sample, speed, memory, bits.

    python benchmarks/run.py [BOOK] [--minutes 3] [--repeat 1] [--source NAME=DIR ...] [--python PATH] [--out DIR]
                             [--threads N] [--json FILE] [-- OPTIONS OF MODOU RUN]

BOOK is a name or a path (default: storyteller-en). Each --source is a checkout of modou, this one if none is given;
several take turns, repeat after repeat. --python is the interpreter that runs them. The run folders DIR/NAME-1, ... are
kept; without --out they are temporary.

Seconds of a stage lie between the moments at which it and the one before recorded their ends (stages/*.json); those of
the first stage include the start of Python, total also its end. First sample: until samples.jsonl, and so the screen,
holds one. Looks: the stage train without its steps, that is evaluations, samples, checkpoints and measurements. Share
of peak: tokens/s x FLOPs per token / the best float32 matrix rate during the run (above 1 where bfloat16 is quicker).
Medians over repeats; `NAME x FIRST`: median of the ratios to the first source in the same repeat.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import parser, print_table, write_json

from modou import storage
from modou.runs.folder import RunFolder

HERE = Path(__file__).parents[1]
POLL = 0.05
"""Seconds between looks for the first sample."""
TAIL = 2000
"""Characters of a failed run's output that are shown."""


def watched(command: list[str], source: Path, run: RunFolder, log: Path) -> tuple[float, float, float | None]:
    """Runs the command with modou from `source`: time of its start, seconds in all, and until the first sample.

    SystemExit: it failed."""
    path = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH", "")]))
    # Safe: without the current folder in front, which may be another checkout.
    chosen = {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    first: float | None = None
    with log.open("wb") as output:
        start, began = time.time(), time.perf_counter()
        with subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | chosen) as process:
            while process.poll() is None:
                if first is None and run.samples.exists() and run.samples.stat().st_size:
                    first = time.perf_counter() - began
                time.sleep(POLL)
        spent = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(log.read_text(encoding="utf-8", errors="replace")[-TAIL:])
    return start, spent, first


def stage_seconds(run: RunFolder, start: float) -> dict[str, float]:
    """Seconds of each stage, in order."""
    ends = sorted((path.stat().st_mtime, path.stem) for path in run.stages.glob("*.json"))
    begins = [start, *(end for end, _ in ends)]
    return {name: end - begin for begin, (end, name) in zip(begins, ends, strict=False)}


def figures(run: RunFolder, start: float, total: float, first: float | None) -> dict[str, Any]:
    """The figures of a finished run, named as in report.json where they come from there."""
    report = storage.read_json(run.report_json)
    training, machine, train = report["training"], report["environment"], report["settings"]["train"]
    stages, speed, rates = stage_seconds(run, start), training["tokens_per_second"], machine["matrix_gflops"]
    steps = training["seconds"]
    return {
        "stage_seconds": stages,
        "seconds": {"total": total, "first_sample": first, "steps": steps, "looks": stages["train"] - steps},
        "training": {
            "tokens": training["tokens"],
            "tokens_per_second": speed,
            "share_of_peak": speed * report["model"]["flops_per_token"] / (1e9 * rates["best"]),
            "peak_memory_mb": training["peak_memory_mb"],
        },
        "model": {"parameters": report["model"]["total"]},
        "way": {name: train.get(name) for name in ("precision", "attention", "compile", "threads")},
        "test": {"bits_per_char": report["test"]["bits_per_char"]},
    }


def flat(numbers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Figures by "group.name"."""
    return {f"{group}.{name}": value for group, row in numbers.items() for name, value in row.items()}


def is_number(value: object) -> bool:
    """Whether it can be divided; a switch is none."""
    return type(value) in (int, float)


def middle(values: list[Any]) -> Any:
    """The median of numbers; what else differs between repeats, side by side; None without values."""
    known = [value for value in values if value is not None]
    if known and all(map(is_number, known)):
        return statistics.median(known)
    return " / ".join(dict.fromkeys(map(str, known))) or None


def ratio(own: list[Any], others: list[Any]) -> float | None:
    """Median of own / other in the same repeat; None where these are no numbers, or 0."""
    pairs = [(a, b) for a, b in zip(own, others, strict=True) if is_number(a) and is_number(b) and b]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def measure(asked: argparse.Namespace, options: list[str], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The figures of every run, by source. SystemExit: a run failed."""
    command = [asked.python, "-m", "modou", "run", asked.book, "--minutes", str(asked.minutes), *options]
    if asked.threads:
        command += ["--train.threads", str(asked.threads)]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in asked.source}
    for number in range(1, asked.repeat + 1):
        for name, source in asked.source.items():
            run = RunFolder(folder / f"{name}-{number}")
            if run.path.exists():
                raise SystemExit(f"{run.path} exists: name another folder with --out")
            watch = watched([*command, "--out", str(run.path)], source, run, folder / f"{name}-{number}.txt")
            found[name].append(figures(run, *watch))
            print(f"{name} {number}/{asked.repeat}: {watch[1]:.1f} s", flush=True)
    return found


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    """Prints a row for each figure and a column for each source."""
    flats = {name: [flat(row) for row in rows] for name, rows in found.items()}
    first, *others = flats
    table: list[list[Any]] = []
    for key in flats[first][0]:
        values = {name: [row.get(key) for row in rows] for name, rows in flats.items()}
        ratios = [ratio(values[name], values[first]) for name in others]
        table.append([key, *map(middle, values.values()), *ratios])
    print_table(["", *flats, *(f"{name} x {first}" for name in others)], table)


def named_source(text: str) -> tuple[str, Path]:
    """NAME=DIR as a pair. ArgumentTypeError: there is no modou."""
    name, _, folder = text.partition("=")
    if not name or not (Path(folder) / "modou" / "__main__.py").is_file():
        raise argparse.ArgumentTypeError(f"{text}: NAME=DIR, where DIR holds the folder modou, is expected")
    return name, Path(folder).resolve()


def main() -> None:
    """Command line."""
    made = parser(__doc__)
    made.add_argument("book", nargs="?", default="storyteller-en", metavar="BOOK", help="a corpus name or a path")
    made.add_argument("--minutes", type=float, default=3.0, help="of training steps")
    made.add_argument("--repeat", type=int, default=1, help="runs of each source")
    made.add_argument("--source", type=named_source, action="append", metavar="NAME=DIR", help="a checkout of modou")
    made.add_argument("--python", default=sys.executable, metavar="PATH", help="interpreter of the runs")
    made.add_argument("--out", type=Path, metavar="DIR", help="keep the run folders here")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    asked = made.parse_args(words[:end])
    asked.source = dict(asked.source or [("modou", HERE)])
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(asked, words[end + 1 :], folder)
    show(found)
    medians = {
        name: {group: {key: middle([row[group][key] for row in rows]) for key in rows[0][group]} for group in rows[0]}
        for name, rows in found.items()
    }
    numbers = {"book": asked.book, "minutes": asked.minutes, "sources": medians, "repeats": found}
    write_json(asked.json, {"run": numbers})


if __name__ == "__main__":
    main()
