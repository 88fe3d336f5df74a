"""`modou corpus NAME`: writes a named corpus to disk as raw text."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from modou import storage
from modou.corpora import named as corpora
from modou.corpora.storyteller.book import DEFAULT_BYTES
from modou.messages import UserError
from modou.text.headings import Heading
from modou.train.events import StageBegan, StageEnded, StageEvent


@dataclass(frozen=True)
class CorpusFigures:
    """A corpus that was written."""

    path: str
    """The file."""
    characters: int
    """Characters, line ends not counted."""
    documents: int
    """Chapters, or other documents."""


def write_corpus(name: str, path: Path, size: int | None = None, seed: int | None = None) -> Iterator[StageEvent]:
    """Writes the corpus `name` to `path` as UTF-8 text; `size` (bytes) and `seed` (None: the usual) are for
    generated corpora.

    UserError: no such name, size or seed of a corpus that is not generated, no network, cannot write.
    """
    if name not in corpora.NAMES:
        raise UserError("pipeline.no_such_corpus", name=name, names=", ".join(corpora.NAMES))
    for option, value in (("--size", size), ("--seed", seed)):
        if value is not None and name not in corpora.STORYTELLERS:
            names = ", ".join(corpora.STORYTELLERS)
            raise UserError("pipeline.not_made_here", option=option, name=name, names=names)
    yield StageBegan("corpus", 1, 1)
    book = corpora.open_corpus(name, size=size or DEFAULT_BYTES, seed=1 if seed is None else seed)
    characters = chapters = 0
    with storage.user_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = storage.temporary_name(path)
        try:
            with temporary.open("w", encoding="utf-8", newline="\n") as stream:
                for document in book.documents():
                    for is_heading, lines in groupby(document.lines(), lambda line: isinstance(line, Heading)):
                        if not is_heading:
                            text = "".join(f"{line}\n" for line in lines)
                            stream.write(text + "\n")
                            characters += len(text) - text.count("\n")
                            chapters += 1
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    yield StageEnded("corpus", CorpusFigures(str(path), characters, chapters))
