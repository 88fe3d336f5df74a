"""Apache Parquet: a row is a document."""

from collections.abc import Iterator
from typing import Any

from modou.messages import UserError
from modou.text.readers.columns import Row, documents
from modou.text.readers.file import File, Line, Reading, library
from modou.text.readers.json_values import Value

LAYOUT = None
_MARK = b"PAR1"
_AT_ONCE, _BATCH_BYTES = 64, 1 << 31
"""Rows read at once, at most: fewer where they may unpack to more than so many bytes."""


def recognises(file: File) -> bool:
    """By the first bytes."""
    return file.head.startswith(_MARK)


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """A Heading and the lines of each row. UserError: damaged, or without a usable row."""
    yield from documents(file, reading, read_rows(file))


def read_rows(file: File) -> Iterator[Row]:
    """The rows as fields by name; columns of bytes are left out. UserError: damaged; no pyarrow."""
    arrow, parquet = library("pyarrow", file.path), library("pyarrow.parquet", file.path)
    with file.readable(), file.open() as stream:
        try:
            table = parquet.ParquetFile(stream)
            names = [one.name for one in table.schema_arrow if not _is_bytes(arrow.types, one.type)]
            place = 1
            for batch in table.iter_batches(batch_size=_batch(table.metadata), columns=names, use_threads=False):
                for value in batch.to_pylist():
                    yield Value(place, value)
                    place += 1
        except (arrow.ArrowException, OSError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError("text.broken_document", path=file.path, reason=_reason(error)) from None


def _batch(metadata: Any) -> int:
    """Rows to read at once: each may hold the largest value of its group, which a dictionary repeats at no cost."""
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size for group in groups), default=1)
    return max(1, min(_AT_ONCE, _BATCH_BYTES // max(1, largest)))


def _is_bytes(types: Any, kind: Any) -> bool:
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:80]
