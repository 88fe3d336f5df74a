"""Resumable downloads, verified by SHA-256 and moved into place atomically."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path

from modou.messages import UserError
from modou.storage import sha256_file

_PIECE = 1 << 16
_TIMEOUT = 30.0


def fetch(url: str, path: Path, sha256: str | None = None) -> Path:
    """Download `url` to `path`, resuming a partial download in `path`.part.

    UserError: no network, refused by the server, cannot write, wrong checksum.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:  # 416: the partial file is already complete
            raise UserError("text.download_refused", url=url, status=error.code) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError("text.offline", url=url, reason=reason, name=path.name) from None
    except OSError as error:
        raise UserError("text.cannot_write", path=path, reason=error.strerror or error) from None
    if sha256 and sha256_file(part) != sha256:
        part.unlink()
        raise UserError("text.download_differs", url=url)
    part.replace(path)
    return path


def _receive(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        if answer.status != 206:
            have = 0
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if have else "wb") as stream:
            while piece := answer.read(_PIECE):
                stream.write(piece)
                have += len(piece)
    if total is not None and have < total:
        raise ConnectionError(f"{have} / {total} bytes")
