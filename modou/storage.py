"""Atomic writes, JSON Lines logs that survive a crash, bounded reads, checksums.

An atomic write goes to a temporary file beside the target, which is fsynced and renamed over it; then the folder is
fsynced. A reader sees the old content or the new, also after a power failure. An error of the operating system becomes
a UserError with the remedy.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Generator
from dataclasses import fields, is_dataclass
from functools import cache
from io import FileIO
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

from modou.messages import UserError

_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_REFUSED = (errno.EACCES, errno.EPERM)
_NO_FOLDER_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_TORN = re.compile(rb'\[?(\{(".*)?)?\0*', re.DOTALL)
"""An incomplete line: the beginning of an object or of a list of objects; a power failure may leave NUL bytes."""
_PIECE = 1 << 16

SMALL = 1 << 20
"""Maximum bytes of a file written by hand, such as settings."""
LARGE = 1 << 26
"""Maximum bytes of any other file that is read whole."""
ROW = 1 << 24
"""Maximum bytes of one line of JSON."""
LOG = 1 << 30
"""Maximum bytes of a JSON Lines file."""
_DEEPEST = 100
"""Maximum depth of nested lists and objects."""

T = TypeVar("T")


@contextlib.contextmanager
def user_errors(path: Path) -> Generator[None]:
    """Turn an OSError of the body into a UserError about `path`, with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise UserError("storage.disk_full", path=path) from error
        if error.errno in _REFUSED:
            raise UserError("storage.not_allowed", path=path) from error
        if error.errno == errno.EROFS:
            raise UserError("storage.read_only", path=path) from error
        raise UserError("storage.failed", path=path, reason=error.strerror or error) from error


def temporary_name(path: Path) -> Path:
    """The hidden name beside `path` under which this process writes before it renames."""
    return path.with_name(f".{path.name}.tmp-{os.getpid()}")


def is_temporary(path: Path) -> bool:
    """Whether `path` is a `temporary_name` of any process."""
    return path.name.startswith(".") and path.name.rpartition(".tmp-")[2].isdigit()


def write_bytes_synced(path: Path, data: bytes) -> None:
    """Write `data` to `path` in place and fsync the file. Raises OSError."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable; no effect where folders have no fsync (Windows, some network file systems)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FSYNC:
            raise
    finally:
        os.close(descriptor)


def replace_folder(place: Path, new: Path) -> None:
    """Rename the folder `new`, beside `place`, to it; a folder there is renamed before it goes. Raises OSError; then,
    and when interrupted, the earlier folder is in its place again."""
    doomed = temporary_name(place.with_name(f"{place.name}-removed"))
    shutil.rmtree(doomed, ignore_errors=True)
    try:
        if place.exists():
            place.rename(doomed)
        new.rename(place)
    except BaseException:
        if doomed.exists() and not place.exists():
            doomed.rename(place)
        raise
    sync_folder(place.parent)
    shutil.rmtree(doomed, ignore_errors=True)


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Replace the content of `path`, whose folder exists. UserError: disk full, no permission, read-only."""
    temporary = temporary_name(path)
    with user_errors(path):
        try:
            write_bytes_synced(temporary, data)
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def write_text_atomically(path: Path, text: str) -> None:
    """Replace the content of `path` by `text` in UTF-8, newlines as given."""
    write_bytes_atomically(path, _utf8(text))


def without_surrogates(text: str) -> str:
    """`text` with each lone surrogate, which UTF-8 cannot encode, replaced by U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def _utf8(text: str) -> bytes:
    return without_surrogates(text).encode("utf-8")


def json_text(value: Any) -> str:
    """`value` as indented JSON, non-ASCII characters unescaped. Tuples become lists; lone surrogates, which file names
    may contain, become U+FFFD."""
    return without_surrogates(json.dumps(value, ensure_ascii=False, indent=2))


def json_line(value: Any) -> str:
    """`value` as one line of JSON, lone surrogates as in `json_text`."""
    return without_surrogates(json.dumps(value, ensure_ascii=False, allow_nan=False))


def write_json_atomically(path: Path, value: Any) -> None:
    """Replace the content of `path` by `value` as indented UTF-8 JSON."""
    write_text_atomically(path, json_text(value) + "\n")


def read_bytes(path: Path, most: int = LARGE) -> bytes:
    """Read a file of at most `most` bytes. UserError: missing, unreadable, larger, or not a regular file (a device or a
    pipe may never end)."""
    with user_errors(path):
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UserError("storage.not_a_file", path=path)
        if found.st_size <= most:
            with path.open("rb") as file:
                data = file.read(found.st_size + 1)
            if len(data) <= found.st_size:
                return data
    raise UserError("storage.too_large", path=path, most=most)


def is_missing(error: UserError) -> bool:
    """Whether the error is that a file does not exist."""
    return isinstance(error.__cause__, FileNotFoundError)


def parse_json(data: bytes | str) -> Any:
    """Parse a JSON text. ValueError: not JSON, nested too deep, or a number of thousands of digits."""
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if is_deep(value):
        raise ValueError("nested too deep")
    return value


def is_deep(value: Any) -> bool:
    """Whether lists and objects are nested deeper than _DEEPEST; deeper ones could overflow Python's stack."""
    level = _nested([value])
    for _ in range(_DEEPEST):
        if not level:
            return False
        level = [inner for outer in level for inner in _nested(outer)]
    return True


def _nested(value: dict[str, Any] | list[Any]) -> list[dict[str, Any] | list[Any]]:
    """The lists and objects in a list or an object."""
    return [inner for inner in (value.values() if isinstance(value, dict) else value) if isinstance(inner, dict | list)]


def parse_form(form: type[T], value: Any) -> T:
    """`value` (of a JSON file) as the dataclass `form`, every field of the type that it is declared with.

    ValueError: a field is missing, of another type, or out of bounds.
    """
    return _adapter(form).validate_python(value)


@cache
def _adapter(form: type[T]) -> TypeAdapter[T]:
    """Made once a dataclass: it takes longer than to read a file."""
    return TypeAdapter(form)


def parse_written(form: type[T], value: Any, path: Path) -> T:
    """`parse_form` of the value of a file that modou wrote. UserError: it has another form."""
    try:
        return parse_form(form, value)
    except ValueError:
        raise UserError("storage.not_as_written", path=path) from None


def to_json(value: Any) -> Any:
    """Convert dataclasses, also in lists and dictionaries, to dictionaries for JSON. A field is omitted if its value
    and its default are None. Tuples become lists."""
    if is_dataclass(value):
        named = ((one, getattr(value, one.name)) for one in fields(value))
        return {one.name: to_json(inner) for one, inner in named if inner is not None or one.default is not None}
    if isinstance(value, dict):
        return {key: to_json(inner) for key, inner in cast(dict[str, Any], value).items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in cast(list[Any], value)]
    return value


def read_json(path: Path, most: int = LARGE) -> Any:
    """Read a JSON file. UserError: missing, unreadable, larger than `most` bytes, not JSON."""
    data = read_bytes(path, most)
    try:
        return parse_json(data)
    except ValueError as error:
        raise UserError("storage.bad_json", path=path, reason=_reason(error)) from None


def append_line(path: Path, text: str) -> None:
    """Append one line of JSON. An incomplete last line, left by a crash, is removed first.

    `text` must not contain a newline. UserError: disk full, no permission, read-only; or the file is not JSON Lines (it
    stays unchanged).
    """
    assert "\n" not in text, "one line at a time"
    with user_errors(path), path.open("ab+", buffering=0) as file:
        before, kept = _ending(file, path)
        if kept < file.seek(0, os.SEEK_END):
            file.truncate(kept)
        data = before + _utf8(text) + b"\n"
        while data:
            data = data[file.write(data) :]


def require_log(path: Path) -> None:
    """Check that `append_line` can append to `path`. UserError: the file exists and is not JSON Lines."""
    with user_errors(path):
        if path.exists():
            with path.open("rb", buffering=0) as file:
                _ending(file, path)


def _ending(file: FileIO, path: Path) -> tuple[bytes, int]:
    """Return the newline that a complete last line may lack, and the number of bytes before an incomplete last line.

    UserError: the first line is not JSON, or the last one is not the beginning of a JSON line.
    """
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return b"", 0
    first = _first_line(file)
    if first.endswith(b"\n") and first.strip() and not _is_row(first):
        raise UserError("storage.not_a_log", path=path)
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return b"", size
    file.seek(max(0, size - ROW))
    tail = file.readall().rpartition(b"\n")[2]
    if _is_row(tail):
        return b"\n", size
    if not _TORN.fullmatch(tail):
        raise UserError("storage.not_a_log", path=path)
    return b"", size - len(tail)


def _first_line(file: FileIO) -> bytes:
    """The first line with its newline; if it is longer than ROW, the beginning of it."""
    file.seek(0)
    data = b""
    while b"\n" not in data and len(data) < ROW and (piece := file.read(_PIECE)):
        data += piece
    head, newline, _ = data.partition(b"\n")
    return head + newline


def _is_row(data: bytes) -> bool:
    """Whether a line is a JSON object or list."""
    try:
        return isinstance(parse_json(data), dict | list)
    except ValueError:
        return False


def read_jsonl(path: Path) -> list[Any]:
    """Read the values of all lines; none if there is no file. An incomplete last line is ignored.

    UserError: another line is not JSON or longer than ROW; its number is named.
    """
    try:
        lines = read_bytes(path, LOG).split(b"\n")
    except UserError as error:
        if is_missing(error):
            return []
        raise
    torn = lines.pop()
    values: list[Any] = []
    for number, line in enumerate(lines, start=1):
        try:
            if len(line) > ROW:
                raise ValueError(f"> {ROW >> 20} MB")
            if line.strip():
                values.append(parse_json(line))
        except ValueError as error:
            raise UserError("storage.bad_line", path=path, line=number, reason=_reason(error)) from None
    return [*values, parse_json(torn)] if torn.strip() and len(torn) <= ROW and _is_row(torn) else values


def _reason(error: ValueError) -> str:
    """The start of the error message, which may repeat a number of thousands of digits."""
    return str(error)[:200]


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
