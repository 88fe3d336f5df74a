"""Writes documents as token files: streaming, in several processes, resumable."""

import hashlib
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from modou.errors import UserError
from modou.storage import read_json, sha256_file, temporary_name, user_errors, write_json_atomically
from modou.tokenizer.tokenizer import Tokenizer

MANIFEST = "manifest.json"
SHARD_CHARACTERS = 4_000_000
"""Least characters per file (but the last): what a process holds in memory."""
_OURS = re.compile(r"\.?(?P<name>\d{6})\.(tokens|lengths|json)(?P<temporary>\.tmp-\d+)?")


def token_type(vocabulary: int) -> np.dtype[Any]:
    """Little-endian uint16 where the ids fit, else uint32."""
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


def _write_in_worker(job: _Job) -> dict[str, Any]:
    assert _worker_tokenizer is not None
    return _write_shard(job, _worker_tokenizer)


def _write_shard(job: _Job, tokenizer: Tokenizer) -> dict[str, Any]:
    """Writes one shard unless it exists, of the same text and tokenizer. Returns its description."""
    source = hashlib.sha256()
    for document in job.documents:
        source.update(hashlib.sha256(document.encode(errors="surrogatepass")).digest())
    wanted = {"source": source.hexdigest(), "tokenizer": tokenizer.sha256}
    found = _finished(job)
    if found is not None and wanted.items() <= found.items():
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
        shard = {
            "name": job.stem.name,
            "tokens": sum(lengths),
            "documents": len(lengths),
            "sha256": {kind: sha256_file(job.file(kind)) for kind in ("tokens", "lengths")},
            **wanted,
        }
    write_json_atomically(job.file("json"), shard)
    return shard


def _finished(job: _Job) -> dict[str, Any] | None:
    """The description of a shard whose files exist and match their hashes, else None."""
    try:
        shard = read_json(job.file("json"))
        if all(sha256_file(job.file(kind)) == shard["sha256"][kind] for kind in ("tokens", "lengths")):
            return shard
    except (UserError, OSError, KeyError, TypeError):
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


def _run(jobs: Iterator[_Job], tokenizer: Tokenizer, workers: int) -> Iterator[dict[str, Any]]:
    """Writes the shards in order; in this process where there is only one, or where a worker process died."""
    first = list(islice(jobs, 2))
    if workers <= 1 or len(first) < 2:
        for job in _chained(first, jobs):
            yield _write_shard(job, tokenizer)
        return
    # spawn: available on every system and safe beside threads.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (tokenizer,)) as pool:
        waiting: deque[tuple[_Job, Future[dict[str, Any]] | None]] = deque()

        def settle() -> dict[str, Any]:
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
    """Deletes temporary files, and shards of an earlier, longer corpus; no other files."""
    for path in folder.iterdir():
        match = _OURS.fullmatch(path.name)
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
    _remove_leftovers(folder, {shard["name"] for shard in shards})
    manifest = {"vocabulary": tokenizer.vocabulary, "tokenizer": tokenizer.sha256, "shards": shards}
    write_json_atomically(folder / MANIFEST, manifest)
