"""Files that are whole or absent: atomic writes, line logs that survive a crash, hashes.

An atomic write goes to a temporary file beside the target, is fsynced, then renamed over it, and the folder
is fsynced: whoever reads sees the old content or the new one, also after a power cut. What the operating
system refuses becomes a UserError with the remedy.
"""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Generator
from io import FileIO
from pathlib import Path
from typing import Any

from modou.errors import UserError

_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_REFUSED = (errno.EACCES, errno.EPERM)
_NO_FOLDER_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF)


@contextlib.contextmanager
def user_errors(path: Path) -> Generator[None]:
    """Turn an OSError of the body into the UserError that tells what to do about `path`."""
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
    """The hidden name beside `path` that this process writes under before it renames."""
    return path.with_name(f".{path.name}.tmp-{os.getpid()}")


def is_temporary(path: Path) -> bool:
    """Whether `path` bears a name that `temporary_name` of any process made."""
    return path.name.startswith(".") and path.name.rpartition(".tmp-")[2].isdigit()


def write_bytes_synced(path: Path, data: bytes) -> None:
    """Write `data` to `path` in place and fsync the file. OSError passes."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable; nothing where folders have no fsync (Windows, some networks)."""
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
    write_bytes_atomically(path, text.encode("utf-8"))


def json_text(value: Any) -> str:
    """`value` as indented JSON, Chinese kept readable. Tuples become lists."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def json_line(value: Any) -> str:
    """`value` as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def write_json_atomically(path: Path, value: Any) -> None:
    """Replace the content of `path` by `value` as indented UTF-8 JSON."""
    write_text_atomically(path, json_text(value) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file. UserError: missing, unreadable, not JSON."""
    with user_errors(path):
        data = path.read_bytes()
    try:
        return json.loads(data)
    except ValueError as error:
        raise UserError("storage.bad_json", path=path, reason=error) from None


def append_line(path: Path, text: str) -> None:
    """Append one JSON line in a single write. A torn last line, left by a crash, is dropped first.

    `text` must not contain a newline. UserError: disk full, no permission, read-only.
    """
    assert "\n" not in text, "one line at a time"
    with user_errors(path), path.open("ab+", buffering=0) as file:
        data = _mend_last_line(file) + text.encode("utf-8") + b"\n"
        while data:
            data = data[file.write(data) :]


def _mend_last_line(file: FileIO) -> bytes:
    """Drop an unfinished last line. Returns what must precede the next one (a newline after a whole line)."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return b""
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return b""
    file.seek(0)
    tail = file.readall().rpartition(b"\n")[2]
    if _is_json(tail):
        return b"\n"
    file.truncate(size - len(tail))
    return b""


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def read_jsonl(path: Path) -> list[Any]:
    """The values of all lines; none where there is no file. A torn last line is ignored.

    UserError names the line that is not JSON anywhere else.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError:
        with user_errors(path):
            raise
    lines = data.split(b"\n")
    torn = lines.pop()
    values: list[Any] = []
    for number, line in enumerate(lines, start=1):
        try:
            if line.strip():
                values.append(json.loads(line))
        except ValueError as error:
            raise UserError("storage.bad_line", path=path, line=number, reason=error) from None
    return [*values, json.loads(torn)] if torn.strip() and _is_json(torn) else values


def sha256_file(path: Path) -> str:
    """The sha256 of a file in hexadecimal. OSError passes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
