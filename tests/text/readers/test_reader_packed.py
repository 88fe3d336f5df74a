"""Packed files and archives: what unpacks to too much, is cut short or hides another archive is refused in one line."""

import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from reader_helpers import read, zipped

from modou.corpora.named import content_sha256
from modou.messages import UserError
from modou.text.corpus import prepare
from modou.text.readers.book import Book, read_book

PROSE = "".join(f"The potter threw {number} bowls and set them in the sun. \n" for number in range(300))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "a.txt.gz": gzip.compress,
    "a.txt.xz": lzma.compress,
    "a.txt.zst": zstandard.ZstdCompressor().compress,
}


def book(path: Path, data: bytes) -> Book:
    path.write_bytes(data)
    return read_book(path)


def all_of(found: Book) -> list[str]:
    """The names of the documents that have lines."""
    return [document.name for document in found.documents() if list(document.lines())]


def overlapping(times: int) -> bytes:
    """An archive of so many members that share the same packed bytes."""
    data = zipped({"a.txt": b"a" * 20_000_000})
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry, tail = data[start:end], bytearray(data[end:])
    for place in (8, 10):
        tail[place : place + 2] = times.to_bytes(2, "little")
    tail[12:16] = (times * len(entry)).to_bytes(4, "little")
    return data[:start] + entry * times + bytes(tail)


@pytest.mark.parametrize("name", PACKERS)
def test_one_that_is_cut_short_is_told(name: str) -> None:
    packed = PACKERS[name](os.urandom(3000).hex().encode())
    with pytest.raises(UserError, match="damaged"):
        read(packed[: len(packed) // 2], name)


@pytest.mark.parametrize("name", PACKERS)
def test_one_in_another_is_refused(name: str) -> None:
    inner = gzip.compress(os.urandom(3000).hex().encode())
    with pytest.raises(UserError, match="unpack it"):
        read(PACKERS[name](inner), name)


def test_frames_of_zstandard_one_after_another() -> None:
    pack = zstandard.ZstdCompressor().compress
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"
    data = pack(PROSE.encode()) + skipped + pack(b"The end of it.\n")
    assert read(data, "a.txt.zst").texts == [*PROSE.splitlines(), "The end of it."]


@pytest.mark.parametrize(
    "data",
    [overlapping(100), zipped({f"{number}.txt": b"a" * 3_000_000 for number in range(40)})],
    ids=["overlapping", "many"],
)
def test_members_that_unpack_to_too_much_together(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match=r"a\.zip unpacks to more than 400 times"):
        book(tmp_path / "a.zip", data)


def test_a_bomb_beside_a_text_is_passed_over(tmp_path: Path) -> None:
    found = book(tmp_path / "a.zip", zipped({"a.txt": b"a" * 70_000_000, "b.txt": PROSE}))
    assert all_of(found) == ["a.zip/b.txt"]
    assert "400 times" in str(found.skipped["a.zip/a.txt"])


def test_an_archive_of_which_nothing_can_be_read_tells_why(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="archive within an archive"):
        book(tmp_path / "a.zip", zipped({"b.zip": zipped({"a.txt": PROSE})}))
    locked = bytearray(zipped({"a.txt": PROSE}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UserError, match="password"):
        book(tmp_path / "a.zip", bytes(locked))
    two = book(tmp_path / "a.zip", zipped({"a.txt": b"", "b.bin": b"\x7fELF\0\0"}))
    prepared = tmp_path / "corpus"
    with pytest.raises(UserError, match=r"a\.zip/a\.txt|a\.zip is empty|a\.txt"):
        prepare(two, prepared)


def test_progress_counts_what_members_hold(tmp_path: Path) -> None:
    found = book(tmp_path / "a.zip", zipped({f"{number}.txt": PROSE for number in range(5)}))
    assert found.size == 5 * len(PROSE)
    all_of(found)
    assert found.taken >= found.size


def test_a_device_is_no_folder() -> None:
    with pytest.raises(UserError, match="not a regular file"):
        content_sha256("/dev/null")


def test_an_archive_that_is_packed_once_more(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", PROSE)
    assert all_of(book(tmp_path / "a.zip.gz", gzip.compress(packed.getvalue()))) == ["a.zip.gz/a.txt"]
