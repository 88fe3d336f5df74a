"""`modou task`: writes the training and test files of a task."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modou import storage
from modou.messages import UserError
from modou.tasks.registry import named_task
from modou.train.events import StageBegan, StageEnded, StageEvent


@dataclass(frozen=True)
class WrittenRows:
    """Files of examples that were written."""

    folder: str
    """Their folder."""
    rows: dict[str, int]
    """Rows of each file."""


def write_task(name: str, folder: Path, seed: int = 1) -> Iterator[StageEvent]:
    """Writes train.jsonl, test.jsonl and any further files of the task into `folder`; identical existing files stay.

    UserError: no such task, no corpus, an existing file with other content.
    """
    task = named_task(name)
    yield StageBegan("data", 1, 1)
    files = task.files(seed)
    with storage.user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    texts = {folder / file: "".join(storage.json_line(row) + "\n" for row in rows) for file, rows in files.items()}
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text.encode():
            raise UserError("cli.file_exists", path=path)
    for path, text in texts.items():
        if not path.exists():
            storage.write_text_atomically(path, text)
    yield StageEnded("data", WrittenRows(str(folder), {file: len(rows) for file, rows in files.items()}))
