"""Read a file in memory with the reader that recognises it."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from modou.text.headings import Heading
from modou.text.readers import reader_of
from modou.text.readers.file import File, Line, Reading
from modou.text.report import visible


@dataclass
class Read:
    """What was read of a file."""

    lines: list[Line]
    reading: Reading

    @property
    def texts(self) -> list[str]:
        """Lines that are neither headings nor blank."""
        return [line for line in self.lines if isinstance(line, str) and line]

    @property
    def headings(self) -> list[str | None]:
        """The headings."""
        return [line.text for line in self.lines if isinstance(line, Heading)]

    @property
    def shape(self) -> list[str]:
        """All lines that are not blank; a heading has "# " before it."""
        return [f"# {line.text}" if isinstance(line, Heading) else line for line in self.lines if line]

    @property
    def characters(self) -> int:
        """Visible characters that were passed on."""
        return sum(visible(line if isinstance(line, str) else line.text or "") for line in self.lines)

    @property
    def kinds(self) -> dict[str, int]:
        """What was set aside, by kind."""
        return dict(self.reading.set_aside.kinds)


def read(data: bytes, name: str, encoding: str = "auto") -> Read:
    """The file, read twice with the same result. UserError: it cannot be read."""
    file = File(Path(name), name, encoding, lambda: io.BytesIO(data))
    reader = reader_of(file)
    reading = Reading(reader.__name__.rpartition(".")[2])
    found = list(reader.lines(file, reading))
    reading.begin()
    assert found == list(reader.lines(file, reading))
    return Read(found, reading)


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()
