"""Rows of JSON: one object or string a line, or one array of them; each row is a document, a title its heading."""

from collections.abc import Iterator
from typing import Any, cast

from modou.messages import UserError
from modou.text.headings import Heading
from modou.text.readers.file import File, Line, Reading, text_lines
from modou.text.readers.json_values import BadRow, read_values
from modou.text.report import note

LAYOUT = None
SUFFIXES = (".jsonl", ".json", ".ndjson")
_TEXTS = ("text", "content", "paragraphs")


def recognises(file: File) -> bool:
    """By the name: JSON looks like text."""
    return file.suffix in SUFFIXES


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """A Heading and the lines of each row. UserError: no row can be used."""
    with file.text(reading) as stream:
        for row in read_values(stream):
            found = row.reason if isinstance(row, BadRow) else document(row.value)
            if isinstance(found, str):
                reading.complain(f"{file.path.name}:{row.place}: {note(found)}")
                continue
            reading.rows += 1
            title, text = found
            reading.undecoded(text)
            yield Heading(title)
            yield from text_lines(text)
    if not reading.rows:
        raise UserError("text.no_good_row", path=file.path, complaint="; ".join(reading.complaints[:1]))


def document(value: Any) -> tuple[str | None, str] | str:
    """Title and text of a row, or the message that says why it has none."""
    if isinstance(value, str):
        return (None, value) if value.strip() else "text.row_empty"
    if not isinstance(value, dict):
        return "text.row_not_object"
    fields = cast(dict[str, Any], value)
    title = fields.get("title")
    for name in _TEXTS:
        found = fields.get(name)
        if isinstance(found, list) and all(isinstance(item, str) for item in cast(list[Any], found)):
            found = "\n".join(cast(list[str], found))
        if isinstance(found, str):
            if not found.strip():
                return "text.row_empty"
            return title.strip() if isinstance(title, str) and title.strip() else None, found
    return "text.row_without_text"
