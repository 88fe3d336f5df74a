"""Write documents as token files (shards): streaming, multi-process, resumable."""

import hashlib
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, Strict

from modou.messages import UserError
from modou.storage import parse_form, read_json, sha256_file, temporary_name, user_errors, write_json_atomically
from modou.tokenizer.tokenizer import Tokenizer

MANIFEST = "manifest.json"
SHARD_CHARACTERS = 4_000_000
"""Minimum characters per shard (except the last), which a process holds in memory."""
_SHARD_FILE = re.compile(r"\.?(?P<name>\d{6})\.(tokens|lengths|json)(?P<temporary>\.tmp-\d+)?")


Count = Annotated[int, Strict(), Field(ge=0, lt=2**40)]
Word = Annotated[str, Strict(), Field(max_length=64)]


@dataclass(frozen=True)
class Shard:
    """The description of one shard. `source`: SHA-256 of its texts."""

    name: Annotated[str, Strict(), Field(pattern="^[0-9]{6}$")]
    tokens: Count
    documents: Count
    sha256: dict[Literal["tokens", "lengths"], Word]
    source: Word
    tokenizer: Word


@dataclass(frozen=True)
class Manifest:
    """manifest.json: the shards of a folder, in order. `tokenizer`: SHA-256 of its model."""

    vocabulary: Annotated[int, Strict(), Field(ge=1, lt=2**32)]
    tokenizer: Word
    shards: Annotated[list[Shard], Field(min_length=1)]


def token_type(vocabulary: int) -> np.dtype[Any]:
    """Little-endian uint16 if all ids fit, else uint32."""
    return np.dtype("<u2" if vocabulary <= 1 << 16 else "<u4")


@dataclass(frozen=True)
class _Job:
    """One shard to write: files `stem`.tokens, `stem`.lengths and, written last, `stem`.json."""

    stem: Path
    documents: tuple[str, ...]

    def file(self, kind: str) -> Path:
        return self.stem.with_name(f"{self.stem.name}.{kind}")


_worker_tokenizer: Tokenizer | None = None


def _start_worker(tokenizer: Tokenizer) -> None:
    global _worker_tokenizer
    _worker_tokenizer = tokenizer


def _write_in_worker(job: _Job) -> Shard:
    assert _worker_tokenizer is not None
    return _write_shard(job, _worker_tokenizer)


def _write_shard(job: _Job, tokenizer: Tokenizer) -> Shard:
    """Write one shard, unless an intact one of the same text and tokenizer exists; return its description."""
    source = hashlib.sha256()
    for document in job.documents:
        source.update(hashlib.sha256(document.encode(errors="surrogatepass")).digest())
    found = _finished(job)
    if found is not None and (found.source, found.tokenizer) == (source.hexdigest(), tokenizer.sha256):
        return found
    dtype = token_type(tokenizer.vocabulary)
    lengths: list[int] = []
    temporary = temporary_name(job.file("tokens"))
    with user_errors(job.file("tokens")):
        with temporary.open("wb") as file:
            for document in job.documents:
                before = file.tell()
                file.write(np.array([tokenizer.bos], dtype).tobytes())
                for part in tokenizer.encode_parts(document):
                    file.write(np.array(part, dtype).tobytes())
                file.write(np.array([tokenizer.eos], dtype).tobytes())
                lengths.append((file.tell() - before) // dtype.itemsize)
            file.flush()
            os.fsync(file.fileno())
        job.file("lengths").write_bytes(np.array(lengths, "<i8").tobytes())
        temporary.replace(job.file("tokens"))
        shard = Shard(
            name=job.stem.name,
            tokens=sum(lengths),
            documents=len(lengths),
            sha256={"tokens": sha256_file(job.file("tokens")), "lengths": sha256_file(job.file("lengths"))},
            source=source.hexdigest(),
            tokenizer=tokenizer.sha256,
        )
    write_json_atomically(job.file("json"), asdict(shard))
    return shard


def _finished(job: _Job) -> Shard | None:
    """The description of the shard if its files exist with the right checksums."""
    try:
        shard = parse_form(Shard, read_json(job.file("json")))
        if all(sha256_file(job.file(kind)) == shard.sha256[kind] for kind in ("tokens", "lengths")):
            return shard
    except (ValueError, OSError, KeyError):  # missing, or not of this form
        pass
    return None


def _jobs(documents: Iterable[str], folder: Path, characters: int) -> Iterator[_Job]:
    number = size = 0
    group: list[str] = []
    for document in filter(None, documents):
        group.append(document)
        size += len(document)
        if size >= characters:
            yield _Job(folder / f"{number:06}", tuple(group))
            number, size, group = number + 1, 0, []
    if group:
        yield _Job(folder / f"{number:06}", tuple(group))


def _run(jobs: Iterator[_Job], tokenizer: Tokenizer, workers: int) -> Iterator[Shard]:
    """Write the shards, yielding them in order. A single one needs no worker process; if a worker dies, write here."""
    first = list(islice(jobs, 2))
    if workers <= 1 or len(first) < 2:
        for job in _chained(first, jobs):
            yield _write_shard(job, tokenizer)
        return
    # spawn: available on every system and safe beside threads.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (tokenizer,)) as pool:
        waiting: deque[tuple[_Job, Future[Shard] | None]] = deque()

        def settle() -> Shard:
            job, future = waiting.popleft()
            try:
                return future.result() if future else _write_shard(job, tokenizer)
            except BrokenProcessPool:
                return _write_shard(job, tokenizer)

        for job in _chained(first, jobs):
            try:
                waiting.append((job, pool.submit(_write_in_worker, job)))
            except BrokenProcessPool:
                waiting.append((job, None))
            if len(waiting) > workers:
                yield settle()
        while waiting:
            yield settle()


def _chained(first: list[_Job], rest: Iterator[_Job]) -> Iterator[_Job]:
    # Releases each job (its text) as soon as it is yielded.
    while first:
        yield first.pop(0)
    yield from rest


def _remove_leftovers(folder: Path, names: set[str]) -> None:
    """Delete temporary files, and shards of an earlier, longer corpus; no other files."""
    for path in folder.iterdir():
        match = _SHARD_FILE.fullmatch(path.name)
        if match and (match["temporary"] or match["name"] not in names):
            with user_errors(path):
                path.unlink()


def write_files(
    documents: Iterable[str], tokenizer: Tokenizer, folder: Path, workers: int | None, shard_characters: int
) -> None:
    """See `shards.write_shards`."""
    with user_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
    workers = min(os.cpu_count() or 1, 8) if workers is None else workers
    shards = list(_run(_jobs(documents, folder, shard_characters), tokenizer, workers))
    if not shards:
        raise UserError("tokens.no_documents")
    _remove_leftovers(folder, {shard.name for shard in shards})
    write_json_atomically(folder / MANIFEST, asdict(Manifest(tokenizer.vocabulary, tokenizer.sha256, shards)))
