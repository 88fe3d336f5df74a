"""Read files of examples: valid rows as Examples with their place, an error message for each other row."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modou.data.formats.columns import Columns
from modou.data.formats.example import BadExample, Example
from modou.data.formats.formats import read
from modou.messages import UserError, text
from modou.text.readers import parquet, table, xlsx
from modou.text.readers.book import open_text
from modou.text.readers.file import File
from modou.text.readers.json_values import BadRow, Value, numbered_lines, read_values

JSON = (".jsonl", ".json", ".ndjson")
TABLES = (".csv", ".tsv", ".xlsx", ".parquet")
TEXT = (".txt",)
"""Endings of names; that of packed data (.gz, .xz, .zst, .bz2) may follow."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An example and its place, file:line."""

    place: str
    example: Example


@dataclass
class Examples:
    """The rows of a file: examples, and an error message for each invalid row."""

    path: Path
    placed: list[Placed] = field(default_factory=list[Placed])
    complaints: list[str] = field(default_factory=list[str])
    """file:line: reason, in the reader's language."""
    noted: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    """What was assumed in reading (see Example.notes): how often, and the first place."""
    rows: int = 0

    def add(self, place: str, examples: Sequence[Example]) -> None:
        """Adds the examples of one row."""
        self.placed += [Placed(place, example) for example in examples]
        for name in examples[0].notes:
            count, first = self.noted.get(name, (0, place))
            self.noted[name] = (count + 1, first)

    @property
    def notes(self) -> list[str]:
        """What was assumed in reading, in the reader's language, each with its number and first place."""
        named = {"unread": "examples.note_unread", "marked": "examples.note_marked"}
        found: list[str] = []
        for name, (count, place) in self.noted.items():
            kind, _, what = name.partition(":")
            found.append(text(named.get(kind, kind), what=what, count=count, place=place))
        return found

    @property
    def counts(self) -> dict[str, int]:
        """Number of examples of each kind."""
        return dict(Counter(placed.example.kind for placed in self.placed))


def read_examples(path: Path, columns: Columns | None = None) -> Examples:
    """Read every row of a file. UserError: no such file, unknown file type, not text, empty."""
    found = Examples(path)
    known = (*JSON, *TABLES, *TEXT)
    if path.is_file() and File(path, path.name).suffix not in known:
        raise UserError("examples.unknown_file", path=path, known=", ".join(known))
    for place, row in _rows(path):
        found.rows += 1
        where = f"{path.name}:{place}"
        try:
            if isinstance(row, BadExample):
                raise row
            found.add(where, read((columns or Columns()).renamed(row)))
        except BadExample as bad:
            found.complaints.append(f"{where}: {text(bad.key, **bad.values)}")
    if not found.placed and not found.complaints:
        raise UserError("text.empty", path=path)
    return found


def _rows(path: Path) -> Iterator[tuple[int, object]]:
    """Yield (line number, value) of each row. Each line of a text file is a prompt."""
    file = File(path, path.name)
    suffix = file.suffix
    if suffix == ".parquet":
        yield from _values(parquet.read_rows(file))
        return
    if suffix == ".xlsx":
        for cells in xlsx.read_sheets(file):
            yield from _values(xlsx.rows_of(cells, headed=True)[1])
        return
    with open_text(path) as stream:
        if suffix in TEXT:
            for place, line in numbered_lines(stream):
                if line is None:
                    yield place, BadExample("text.row_too_long")
                elif line.strip():
                    yield place, {"prompt": line.strip()}
        else:
            yield from _values(read_values(stream) if suffix in JSON else table.read_rows(stream, headed=True)[1])


def _values(rows: Iterable[Value | BadRow]) -> Iterator[tuple[int, object]]:
    for found in rows:
        yield found.place, BadExample(found.reason) if isinstance(found, BadRow) else found.value
