"""Plain text in any encoding."""

from collections.abc import Iterator

from modou.messages import UserError
from modou.text.readers.file import File, Line, Reading, cut_lines

LAYOUT = None


def recognises(file: File) -> bool:
    """Whatever no other reader recognises."""
    return True


def lines(file: File, reading: Reading) -> Iterator[Line]:
    """The lines of the text. UserError: it is not text, or not in this encoding."""
    characters = 0
    with file.text(reading) as stream:
        for line in cut_lines(stream):
            characters += len(line)
            if "\ufffd" in line:
                reading.undecoded(line)
            yield line
    # Damage, or a stretch in another encoding, costs its place; what the user set may be wrong for the whole file.
    named = reading.encoding is not None and reading.encoding.how == "set"
    if reading.undecodable > max(5, characters // (100 if named else 4)) or 2 * reading.undecodable > characters > 0:
        raise UserError("text.too_many_undecodable", path=file.path, count=reading.undecodable)
