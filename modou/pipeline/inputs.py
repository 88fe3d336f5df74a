"""The inputs of a run, by what the user names: a book, a run, a file of examples, a judge."""

from pathlib import Path
from typing import Any

from modou import storage
from modou.corpora.named import content_sha256, is_named
from modou.messages import UserError, quoted, tell, text
from modou.runs.folder import RunFolder
from modou.runs.record import Record, Source, weights_sha256
from modou.tasks.registry import TASKS


def book_source(name: str) -> Source:
    """The input "book": the name of a corpus, a file, or a folder of files. UserError: no such source, or a run."""
    if not is_named(name) and RunFolder(Path(name)).exists():
        raise UserError("pipeline.book_is_a_run", path=quoted(name, plain=True))
    return Source(kind="book", path=name, sha256=content_sha256(name))


def run_source(path: Path) -> Source:
    """The input "base": a run. UserError: no run, no checkpoint."""
    return Source(kind="run", path=str(path), sha256=weights_sha256(RunFolder(path)))


def examples_source(path: Path, columns: str = "") -> Source:
    """The input "data": a file of examples. UserError: no such file."""
    if not path.is_file():
        raise UserError("text.not_a_file" if path.exists() else "text.file_missing", path=path)
    with storage.user_errors(path):
        return Source(kind="examples", path=str(path), sha256=storage.sha256_file(path), columns=columns)


def judge_source(name: str) -> Source:
    """The input "judge": the rules of a task by its name, or the run folder of a reward model. UserError: neither."""
    if name in TASKS:
        return Source(kind="rule", path=name, sha256=name)
    if not RunFolder(Path(name)).exists():
        raise UserError("align.not_a_judge", path=name, rules=", ".join(TASKS))
    return run_source(Path(name))


def tell_changed(record: Record[Any]) -> None:
    """Tells which runs and files are no longer what a run was begun with. UserError: one of them is gone."""
    for source in record.inputs.values():
        match source.kind:
            case "run":
                now = run_source(Path(source.path))
            case "examples":
                now = examples_source(Path(source.path), source.columns)
            case _:  # the text was cleaned, rules stand in the program
                continue
        if not now.holds_the_same(source):
            tell(text("run.input_changed", path=source.path))
