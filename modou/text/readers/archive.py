"""Zip archives: their members are files of the book. Archives within archives are passed over."""

import stat
import struct
import weakref
import zipfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from modou.messages import UserError
from modou.text.readers.file import File
from modou.text.readers.order import natural_key

_FOREIGN = (
    *("[Content_Types].xml", "mimetype", "META-INF/container.xml", "content.xml", "Index/Document.iwa", "Index.zip"),
    *("index.xml.gz", "index.apxl", "AndroidManifest.xml"),
)
"""Members that mark a book or a document that happens to be packed as a zip."""
_FOREIGN_NAMES = (".pt", ".pth", ".ckpt", ".npz", ".jar", ".whl", ".numbers", ".key", ".pages")
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError, ValueError, OverflowError),
    struct.error,
)
"""What the library raises where an archive is damaged, or packed in a way that it does not know."""
_MEMBERS = 100_000
_BOMB, _BOMB_BYTES = 400, 1 << 26
"""A member that unpacks to more than so many times its size, and to more than so many bytes, is not a text; nor are
all of them together, which may share their packed bytes."""


def recognises(file: File) -> bool:
    """Whether a file is a zip archive of files. UserError: it is a damaged one."""
    if not file.head.startswith(b"PK\x03\x04") or file.suffix in _FOREIGN_NAMES:
        return False
    with opened(file) as archive:
        return not {info.filename for info in archive.infolist()}.intersection(_FOREIGN)


def members(file: File, encoding: str, skipped: dict[str, UserError]) -> list[File]:
    """The members in natural order; what is passed over is noted in `skipped`. UserError: damaged, nothing in it."""
    archive, found, passed = opened(file), list[File](), dict[str, UserError]()
    if len(archive.infolist()) > _MEMBERS:
        raise UserError("text.too_many_members", path=file.path, count=len(archive.infolist()), most=_MEMBERS)
    for name, info in sorted(((_name(info), info) for info in archive.infolist()), key=lambda one: natural_key(one[0])):
        path = PurePosixPath(name)
        hidden = any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in path.parts)
        if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16) or hidden:
            continue
        shown = f"{file.name}/{name}"
        if info.flag_bits & 1:
            passed[shown] = UserError("text.encrypted", path=shown)
        elif path.suffix.lower() in (".zip", ".rar", ".7z", ".tar"):
            passed[shown] = UserError("text.nested_archive", path=shown)
        else:
            found.append(File(file.path, shown, encoding, member_opener(archive, info, shown), info.file_size))
    if not found:
        raise next(iter(passed.values()), UserError("text.folder_without_text", path=file.path))
    skipped.update(passed)
    return found


def _is_bomb(info: zipfile.ZipInfo) -> bool:
    return info.file_size > max(_BOMB_BYTES, _BOMB * info.compress_size)


def opened(file: File) -> zipfile.ZipFile:
    """The archive. UserError: damaged; its members unpack to too much together."""
    try:
        with file.readable(), ExitStack() as stack:
            source = file.on_disk
            stream = stack.enter_context(source.open("rb") if isinstance(source, Path) else source)
            archive = zipfile.ZipFile(stream)
            # Members are read while anything holds the archive; whoever drops it closes the file.
            weakref.finalize(archive, stack.pop_all().close)
    except UserError:
        raise
    except _UNREADABLE as error:
        raise UserError("text.broken_packing", path=file.path, reason=error) from None
    whole = sum(info.file_size for info in archive.infolist() if not _is_bomb(info))
    if whole > max(_BOMB_BYTES, _BOMB * archive.start_dir):  # where the packed bytes end
        archive.close()
        raise UserError("text.bomb", path=file.path, times=_BOMB)
    return archive


def declared_kind(archive: zipfile.ZipFile) -> bytes:
    """The kind of document that an archive says it is; empty if it says none, or cannot be read."""
    with suppress(*_UNREADABLE), archive.open("mimetype") as stream:
        return stream.read(100).strip()
    return b""


def member_opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo, shown: str) -> Callable[[], BinaryIO]:
    """A function that opens a member. UserError: it is a bomb, or packed in a way that is not known."""

    def opens() -> BinaryIO:
        if _is_bomb(info):
            raise UserError("text.bomb", path=shown, times=_BOMB)
        try:
            return cast(BinaryIO, archive.open(info))
        except UserError:
            raise
        except _UNREADABLE as error:
            raise UserError("text.broken_packing", path=shown, reason=error) from None

    return opens


def _name(info: zipfile.ZipInfo) -> str:
    """The name of a member; old archives hold it in the encoding of a country, and do not say in which."""
    if info.flag_bits & 0x800:
        return info.filename
    raw = info.filename.encode("cp437", "replace")
    for codec in ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            return raw.decode(codec)
    return info.filename
