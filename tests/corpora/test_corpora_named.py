"""Corpora by name: local file, cache, download (from a server on this machine), and the storyteller."""

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pytest

from modou.corpora.download import fetch
from modou.corpora.named import SHUIHU, TANG_POEMS, content_sha256, is_named, open_corpus, public_file
from modou.messages import UserError
from modou.text.headings import Heading

DATA = "魔豆落在井边。".encode() * 20_000


class Handler(BaseHTTPRequestHandler):
    """Serves `files`; stops in the middle of those in `broken`, once each; answers byte ranges."""

    files: ClassVar[dict[str, bytes]] = {}
    broken: ClassVar[set[str]] = set()
    ranges: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        data = self.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = 0
        if asked := self.headers.get("Range"):
            self.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if self.path in self.broken:
            self.broken.discard(self.path)
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setenv("MODOU_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MODOU_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.files, Handler.broken, Handler.ranges = {}, set(), []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, 0.02))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_download_leaves_the_file_alone(home: str, tmp_path: Path) -> None:
    Handler.files["/book.txt"] = DATA
    path = fetch(f"{home}/book.txt", tmp_path / "book.txt", sha256(DATA))
    assert path.read_bytes() == DATA
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_download_goes_on_where_it_stopped(home: str, tmp_path: Path) -> None:
    Handler.files["/book.txt"] = DATA
    Handler.broken.add("/book.txt")
    target = tmp_path / "book.txt"
    with pytest.raises(UserError, match="cannot download"):
        fetch(f"{home}/book.txt", target, sha256(DATA))
    assert not target.exists()
    fetch(f"{home}/book.txt", target, sha256(DATA))
    assert target.read_bytes() == DATA
    assert Handler.ranges == [f"bytes={len(DATA) // 2}-"]


def test_a_part_that_is_whole_already(home: str, tmp_path: Path) -> None:
    Handler.files["/book.txt"] = DATA
    (tmp_path / "book.txt.part").write_bytes(DATA)
    assert fetch(f"{home}/book.txt", tmp_path / "book.txt", sha256(DATA)).read_bytes() == DATA


def test_what_differs_is_dropped(home: str, tmp_path: Path) -> None:
    Handler.files["/book.txt"] = DATA
    with pytest.raises(UserError, match="checksum"):
        fetch(f"{home}/book.txt", tmp_path / "book.txt", sha256(b"other"))
    assert list(tmp_path.iterdir()) == []


def test_refused_and_offline(home: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="404"):
        fetch(f"{home}/none.txt", tmp_path / "book.txt")
    with pytest.raises(UserError, match="MODOU_DATA"):
        fetch("http://127.0.0.1:9/book.txt", tmp_path / "book.txt")


def test_a_public_book_is_downloaded_once(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = replace(SHUIHU, sha256=sha256(DATA))
    Handler.files[f"/{corpus.folder}/raw_shuihu.txt"] = DATA
    path = public_file(corpus, home=home)
    assert path == tmp_path / "cache" / "raw_shuihu.txt"
    Handler.files.clear()
    assert public_file(corpus, home=home) == path
    # A local copy goes first; one that differs is not taken.
    monkeypatch.setenv("MODOU_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    local = tmp_path / "data" / "raw_shuihu.txt"
    local.write_bytes(b"other")
    assert public_file(corpus, home=home) == path
    local.write_bytes(DATA)
    assert public_file(corpus, home=home) == local


def poems(start: int) -> list[dict[str, object]]:
    return [
        {"author": "无名", "paragraphs": [f"青藤{n}尺。", "白云无数。"], "title": f"豆 {n}", "id": str(n)}
        for n in range(start, start + 3)
    ]


def test_poems_are_combined_from_many_files(home: str, tmp_path: Path) -> None:
    sources = ("poet.tang.0.json", "poet.tang.1000.json")
    rows = [row for start in (0, 3) for row in poems(start)]
    wanted = "".join(
        json.dumps({key: row[key] for key in ("title", "author", "paragraphs")}, ensure_ascii=False) + "\n"
        for row in rows
    )
    corpus = replace(TANG_POEMS, folder="p", sources=sources, sha256=sha256(wanted.encode()))
    Handler.files["/p/poet.tang.0.json"] = json.dumps(poems(0)).encode()
    with pytest.raises(UserError, match="404"):
        public_file(corpus, home=home)
    Handler.files["/p/poet.tang.1000.json"] = json.dumps(poems(3)).encode()
    path = public_file(corpus, home=home)
    assert gzip.decompress(path.read_bytes()).decode() == wanted
    assert [item.name for item in (tmp_path / "cache").iterdir()] == ["poems_tang.jsonl.gz"]
    assert public_file(corpus, home="http://127.0.0.1:9") == path
    with pytest.raises(UserError, match="checksum"):
        public_file(replace(corpus, file="b.gz", sha256="0"), home=home)


def test_the_local_corpora(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_DATA", str(data_folder))
    book = open_corpus("shuihu")
    assert book.name == "shuihu" and [file.path for file in book.files] == [data_folder / "raw_shuihu.txt"]
    title, *lines = islice(next(iter(open_corpus("tang-poems").documents())).lines(), 5)
    assert isinstance(title, Heading) and title.text
    assert len([line for line in lines if isinstance(line, str)]) == 4


def test_sources() -> None:
    with pytest.raises(UserError, match="storyteller"):
        open_corpus("no-such-corpus")
    with pytest.raises(UserError, match="there is no"):
        content_sha256("")
    assert is_named("shuihu") and not is_named("shuihu.txt")


def test_a_folder_of_a_corpus_name_does_not_change_what_the_name_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "storyteller").mkdir()
    (tmp_path / "storyteller" / "own.txt").write_text("却说豆儿。", encoding="utf-8")
    assert is_named("storyteller") and open_corpus("storyteller", size=5000).files == ()
    assert [file.path for file in open_corpus("./storyteller").files] == [Path("storyteller/own.txt")]


def test_only_what_is_read_of_a_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("却说豆儿。", encoding="utf-8")
    before = content_sha256(str(tmp_path))
    run = tmp_path / "runs" / "own" / "corpus"
    run.mkdir(parents=True)
    (run.parent / "settings.toml").touch()
    (run / "cleaned.txt").write_text("却说豆儿。", encoding="utf-8")
    assert content_sha256(str(tmp_path)) == before
    assert [file.path for file in open_corpus(str(tmp_path)).files] == [tmp_path / "own.txt"]
    (tmp_path / "more.txt").touch()
    assert content_sha256(str(tmp_path)) != before


@pytest.mark.parametrize("name", ["storyteller", "storyteller-en"])
def test_the_storyteller_is_a_book_like_any_other(name: str) -> None:
    book = open_corpus(name, size=20_000, seed=3)
    texts = ["\n".join(document.lines()) for document in book.documents()]
    assert sum(len(text.encode()) for text in texts) >= 19_000
    assert texts == ["\n".join(document.lines()) for document in book.documents()]
