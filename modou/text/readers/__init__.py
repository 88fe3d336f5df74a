"""In: a book: a file of any known format, an archive or a folder of them. Out: documents, line by line.

Never: cleans.

A reader is a module of this package named in READERS:

    recognises(file) -> bool           whether the file is of this format, by its content (`file.head`) before its name
    lines(file, reading) -> Iterator   its lines in reading order; a Heading where the format itself marks one. What is
                                       not text to learn from (notes, ruby, stamps) goes to reading.aside(kind, text)
    LAYOUT                             "prose", "lines" or "exact" where the format decides it; else None

UserError, which `lines` raises before its first line where it can: the file cannot be read, and what to do.
"""

from importlib import import_module
from types import ModuleType

from modou.text.readers.file import File

READERS: tuple[str, ...] = (
    *("pdf", "epub", "docx", "odt", "xlsx", "parquet", "rtf", "fb2", "refused", "code", "markdown", "rst"),
    *("subtitles", "lyrics", "chat", "json_rows", "table", "html", "plain"),
)
"""The readers, in the order in which they are asked; the last one takes what no other recognises."""


def reader_of(file: File) -> ModuleType:
    """The first reader that recognises a file. UserError: it cannot be opened."""
    found = (import_module(f"{__name__}.{name}") for name in READERS)
    return next(reader for reader in found if reader.recognises(file))
