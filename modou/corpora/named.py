"""Corpora by name: two public ones, downloaded once, and the generated storyteller books."""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from modou import storage
from modou.corpora.download import fetch
from modou.corpora.storyteller.book import DEFAULT_BYTES, write_book
from modou.corpora.storyteller.language import LanguageName
from modou.messages import UserError
from modou.text.readers.book import Book, TextBook, folder_files, read_book

HOME = "https://raw.githubusercontent.com"
STORYTELLERS: dict[str, LanguageName] = {"storyteller": "zh", "storyteller-en": "en"}


@dataclass(frozen=True)
class PublicCorpus:
    """A corpus to download. `sha256`: of the uncompressed text."""

    name: str
    file: str
    folder: str
    """Repository, commit and folder below HOME."""
    sources: tuple[str, ...]
    sha256: str


SHUIHU = PublicCorpus(
    "shuihu",
    "raw_shuihu.txt",
    "ColinAIAPP/MoiraiLM/5aee6e2791a2fbc132f364765fd0c6a2ad09849c/data",
    ("raw_shuihu.txt",),
    "82799edbabc5f65d85e3ea139621930507b74275fafd6319c1351f1944610ca3",
)
TANG_POEMS = PublicCorpus(
    "tang-poems",
    "poems_tang.jsonl.gz",
    "chinese-poetry/chinese-poetry/99ebbef7e1345c0985c44b9fd96a3f9e776f117b/全唐诗",
    tuple(f"poet.tang.{start}.json" for start in range(0, 58_000, 1_000)),
    "7cba48fef237fa10c5f54f2b81838e8b467e2b3f95b73183369ea792e10d14ad",
)
PUBLIC = {corpus.name: corpus for corpus in (SHUIHU, TANG_POEMS)}
NAMES = (*STORYTELLERS, *PUBLIC)


def is_named(source: str) -> bool:
    """Whether `source` is a corpus name, which takes precedence over a file of that name (./NAME is the file)."""
    return source in NAMES


def open_corpus(
    source: str,
    *,
    encoding: str = "auto",
    columns: str = "",
    size: int = DEFAULT_BYTES,
    seed: int = 1,
) -> Book:
    """Open the book of a corpus name or a path. `columns`: as in read_book. `size` (UTF-8 bytes) and `seed` apply to
    generated books.

    UserError: no such file, no network for the first download, not a text file.
    """
    if not is_named(source):
        if not Path(source).exists():
            raise UserError("text.no_such_source", source=source, names=", ".join(NAMES))
        return read_book(Path(source), encoding, columns)
    if source in STORYTELLERS:
        language = STORYTELLERS[source]
        return TextBook(source, lambda: write_book(language, size, seed))
    book = read_book(public_file(PUBLIC[source]), encoding)
    book.name = source
    return book


def content_sha256(source: str) -> str:
    """SHA-256 of a file's bytes, or of the files read of a folder with their names; for a corpus name, the name.

    UserError: no such source, no text in the folder, cannot read.
    """
    if is_named(source):
        return source
    path = Path(source)
    if not source or not path.exists():
        raise UserError("text.no_such_source", source=source or '""', names=", ".join(NAMES))
    with storage.user_errors(path):
        if path.is_file():
            return storage.sha256_file(path)
        whole = hashlib.sha256()
        for file in sorted(folder_files(path)):
            name = str(file.relative_to(path)).encode("utf-8", "surrogateescape")
            whole.update(name + f" {storage.sha256_file(file)}\n".encode())
        return whole.hexdigest()


def public_file(corpus: PublicCorpus, *, home: str = HOME) -> Path:
    """The corpus as a local file: in MODOU_DATA, else in the cache folder, where it is downloaded if necessary.

    UserError: offline, or wrong checksum.
    """
    data = os.environ.get("MODOU_DATA")
    for folder in (*((Path(data),) if data else ()), cache_folder()):
        path = folder / corpus.file
        if path.is_file() and _unpacked_sha256(path) == corpus.sha256:
            return path
    target = cache_folder() / corpus.file
    base = f"{home}/{quote(corpus.folder)}"
    if len(corpus.sources) == 1:
        return fetch(f"{base}/{quote(corpus.sources[0])}", target, corpus.sha256)
    return _combine(corpus, base, target)


def cache_folder() -> Path:
    """The folder of downloads: MODOU_CACHE, else ~/.cache/modou."""
    return Path(os.environ.get("MODOU_CACHE") or Path.home() / ".cache" / "modou")


def _combine(corpus: PublicCorpus, base: str, target: Path) -> Path:
    """Download JSON arrays of poems, write them as one gzipped JSONL file, and verify it."""
    pieces = target.with_name(f"{corpus.name}.pieces")
    digest = hashlib.sha256()
    part = target.with_name(f"{target.name}.part")
    paths: list[Path] = []
    for name in corpus.sources:
        path = pieces / name
        if not path.is_file():
            fetch(f"{base}/{quote(name)}", path)
        paths.append(path)
    with part.open("wb") as stream, gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed:
        for path in paths:
            for row in _poems(path):
                line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
                digest.update(line)
                packed.write(line)
    if digest.hexdigest() != corpus.sha256:
        part.unlink()
        for path in paths:
            path.unlink()
        raise UserError("text.download_differs", url=base)
    part.replace(target)
    for path in paths:
        path.unlink()
    pieces.rmdir()
    return target


def _poems(path: Path) -> Iterator[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        for row in rows:
            yield {name: row[name] for name in ("title", "author", "paragraphs")}
    except (ValueError, KeyError, TypeError):
        path.unlink()
        raise UserError("text.download_differs", url=path.name) from None


def _unpacked_sha256(path: Path) -> str:
    if not path.name.endswith(".gz"):
        return storage.sha256_file(path)
    try:
        with gzip.open(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, EOFError):
        return ""
