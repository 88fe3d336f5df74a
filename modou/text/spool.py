"""The lines of a document on disk, between the pass that surveys them and the one that cleans them."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO, cast

from modou.text.headings import Heading
from modou.text.readers.file import Line

_LINE, _HEADING, _CHAPTER = " ", "#", "-"
"""What stands before a line, a heading, and a heading without text."""


class Spool:
    """Holds the lines of one document at a time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def watch(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The same lines, which are held from now on in place of those before."""
        self._stream.seek(0)
        self._stream.truncate()
        write = self._stream.write
        for line in lines:
            if isinstance(line, Heading):
                write(f"{_CHAPTER if line.text is None else _HEADING}{line.text or ''}\n")
            else:
                write(f"{_LINE}{line}\n")
            yield line

    def lines(self) -> Iterator[Line]:
        """The lines held."""
        self._stream.seek(0)
        for line in self._stream:
            if line[0] == _LINE:
                yield line[1:-1]
            else:
                yield Heading(line[1:-1] if line[0] == _HEADING else None)


@contextmanager
def open_spool(folder: Path | None) -> Generator[Spool]:
    """A spool with a file in `folder` (None: where temporary files lie) that is removed in the end."""
    with TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="\n", dir=folder) as stream:
        yield Spool(cast(TextIO, stream))
