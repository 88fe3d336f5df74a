"""The inputs of a run, by what the user names: a book, a run, a file of examples, a judge."""

from pathlib import Path

from modou import storage
from modou.corpora.named import content_sha256
from modou.messages import UserError
from modou.runs.folder import RunFolder
from modou.runs.record import Source, weights_sha256
from modou.tasks.registry import TASKS


def book_source(name: str) -> Source:
    """The input "book": the name of a corpus, a file, or a folder of files. UserError: no such source."""
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
