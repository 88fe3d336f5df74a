"""Files are whole or absent, and a line log survives whatever cut it."""

import errno
import hashlib
import itertools
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from crash_helpers import Crash, failing_files
from hypothesis import given, settings
from hypothesis import strategies as st

from modou import storage
from modou.messages import UserError

ROWS = st.dictionaries(
    st.text(max_size=3), st.integers() | st.text(max_size=5) | st.floats(allow_nan=False), max_size=3
)


@pytest.mark.parametrize("crash", [False, True], ids=["error", "crash"])
def test_an_atomic_write_leaves_old_or_new(tmp_path: Path, crash: bool) -> None:
    path = tmp_path / "设置.toml"
    for at in itertools.count():
        storage.write_text_atomically(path, "old")
        failed = False
        with failing_files(at, crash) as failing:
            try:
                storage.write_text_atomically(path, "new, and longer")
            except (UserError, Crash):
                failed = True
        if not failing.fired:
            break
        failing.power_cut(tmp_path)
        left = path.read_text(encoding="utf-8")
        assert left == "new, and longer" or (failed and left == "old")
        others = [item for item in tmp_path.iterdir() if item != path]
        assert others == [] or crash
        for item in others:
            assert storage.is_temporary(item)
            item.unlink()
    assert at >= 4


@pytest.mark.parametrize(
    ("number", "key"),
    [
        (errno.ENOSPC, "storage.disk_full"),
        (errno.EFBIG, "storage.disk_full"),
        (errno.EACCES, "storage.not_allowed"),
        (errno.EPERM, "storage.not_allowed"),
        (errno.EROFS, "storage.read_only"),
        (errno.EIO, "storage.failed"),
    ],
)
def test_each_refusal_has_its_message(tmp_path: Path, number: int, key: str) -> None:
    for write in (storage.write_text_atomically, storage.append_line):
        with failing_files(0, crash=False, number=number), pytest.raises(UserError) as error:
            write(tmp_path / "a", "{}")
        assert error.value.key == key and str(tmp_path / "a") in str(error.value)


def test_missing_folder_and_folder_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be read or written"):
        storage.write_text_atomically(tmp_path / "none" / "a", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="could not be read or written"):
        storage.write_text_atomically(tmp_path / "folder", "x")
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


def test_json_round_trip_and_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    value = {"字": [1, 0.1, None, True, float("inf")], "nested": {"a": "\n"}}
    storage.write_json_atomically(path, value)
    assert storage.read_json(path) == value
    assert "字" in path.read_text(encoding="utf-8")
    path.write_bytes(b'{"a": ')
    with pytest.raises(UserError, match="not valid JSON"):
        storage.read_json(path)
    path.write_bytes(b"\xff\xff")
    with pytest.raises(UserError, match="not valid JSON"):
        storage.read_json(path)
    with pytest.raises(UserError, match="could not be read"):
        storage.read_json(tmp_path / "none.json")


def test_sha256(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(data)
    assert storage.sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def append(path: Path, row: Any) -> None:
    storage.append_line(path, json.dumps(row, ensure_ascii=False))


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert storage.read_jsonl(path) == []
    append(path, {"step": 1, "sample": "话说 " * 5000})
    append(path, {"step": 2})
    assert [row["step"] for row in storage.read_jsonl(path)] == [1, 2]
    path.write_bytes(b'{"step": 1}\n{"st\n\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"metrics.jsonl:2: "):
        storage.read_jsonl(path)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=4), ROWS, st.integers(0, 80))
def test_a_line_cut_anywhere(rows: list[dict[str, Any]], more: dict[str, Any], cut: int) -> None:
    """However much a crash cuts off, whole lines stay readable and the next line is appended after them."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "metrics.jsonl"
        for row in rows:
            append(path, row)
        data = path.read_bytes()[: -cut or None]
        path.write_bytes(data)
        torn = data.rpartition(b"\n")[2]
        whole = data.count(b"\n") + _parses(torn)
        assert storage.read_jsonl(path) == rows[:whole]
        append(path, more)
        assert storage.read_jsonl(path) == [*rows[:whole], more]
        assert path.read_bytes().endswith(b"\n")


def _parses(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False


def test_an_append_that_fails_half_way_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append(path, {"step": 1})
    with failing_files(1, crash=False), pytest.raises(UserError, match="full"):
        append(path, {"step": 2})
    assert path.stat().st_size > len('{"step": 1}\n')
    assert storage.read_jsonl(path) == [{"step": 1}]
    append(path, {"step": 3})
    assert storage.read_jsonl(path) == [{"step": 1}, {"step": 3}]


FOREIGN = {
    "a note": b"precious notes, one line without an end",
    "two notes": b"a\nb\n",
    "a list of things to do": b"[ ] buy milk",
    "a number": b"5",
    "a line with a number": b"5\n",
    "a word": b'"word"\n',
    "a table": b"name,age\nHob,7\n",
    "rows, then a note": b'{"prompt": "a"}\nmy notes',
    "UTF-16": "notes".encode("utf-16"),
    "deep": b"[" * 5000 + b"\n",
    "long": b"x" * (1 << 20) + b"\n",
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_log_of_ours_is_not_appended_to(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(FOREIGN[kind])
    for use in (append, lambda path, _: storage.require_log(path)):
        with pytest.raises(UserError, match="does not contain one JSON object per line"):
            use(path, {"prompt": "x"})
    assert path.read_bytes() == FOREIGN[kind]


@pytest.mark.parametrize(
    "torn", [b"{", b'{"prompt": "x", "cho', b'{"a": 1}\n{"b', b'{"a": 1}\n\0\0\0', b"[", b'[{"a": 1}, {"b']
)
def test_a_torn_line_of_ours_is_dropped(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(torn)
    storage.require_log(path)
    assert path.read_bytes() == torn
    append(path, {"b": 2})
    assert storage.read_jsonl(path)[-1] == {"b": 2} and path.read_bytes().count(b"\n") == torn.count(b"\n") + 1


HOSTILE = {
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep, but not for the parser": b"[" * 500 + b"]" * 500,
    "many digits": b"9" * 5000,
    "many digits inside": b'{"a": ' + b"9" * 5000 + b"}",
    "no UTF-8": b'"\xff"',
    "empty": b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_json_is_a_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(UserError, match="not valid JSON") as error:
        storage.read_json(path)
    assert len(str(error.value)) < 400 + len(str(path))
    path.write_bytes(HOSTILE[kind] + b"\n{}\n")
    if HOSTILE[kind]:
        with pytest.raises(UserError, match=r"a\.json:1: the line is not valid JSON"):
            storage.read_jsonl(path)


@pytest.mark.skipif(os.name == "nt", reason="needs pipes and devices")
def test_only_files_of_a_size_that_can_be_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for make in (lambda: path.symlink_to("/dev/zero"), lambda: os.mkfifo(path), path.mkdir):
        make()
        for read in (storage.read_json, storage.read_jsonl):
            with pytest.raises(UserError, match="not a regular file"):
                read(path)
        path.rmdir() if path.is_dir() else path.unlink()
    path.touch()
    os.truncate(path, 2**40)
    for read in (storage.read_json, storage.read_jsonl):
        with pytest.raises(UserError, match="is too large"):
            read(path)
    path.write_bytes(b"123456")
    assert storage.read_bytes(path, 6) == b"123456"
    with pytest.raises(UserError, match="at most 5 bytes"):
        storage.read_bytes(path, 5)


def test_a_line_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "ROW", 40)
    path = tmp_path / "log.jsonl"
    path.write_text('{"a": 1}\n{"a": "' + "x" * 40 + '"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"log\.jsonl:2: "):
        storage.read_jsonl(path)


def test_half_a_character_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    storage.write_json_atomically(path, {"name": "b\udcff"})
    assert storage.read_json(path) == {"name": "b\ufffd"}
    append(tmp_path / "log", {"name": "\ud83d"})
    assert storage.read_jsonl(tmp_path / "log") == [{"name": "\ufffd"}]
    storage.write_text_atomically(path, "b\ud83d")
    assert path.read_text(encoding="utf-8") == "b\ufffd"


@dataclass(frozen=True)
class Inner:
    values: tuple[float, ...]
    unknown: float | None


@dataclass(frozen=True)
class Outer:
    inner: dict[str, Inner]
    rest: list[Inner] = field(default_factory=list[Inner])
    left_out: Inner | None = None


def test_a_dataclass_as_json_and_back() -> None:
    made = Outer({"a": Inner((1.0, 2.5), None)})
    assert storage.to_json(made) == {"inner": {"a": {"values": [1.0, 2.5], "unknown": None}}, "rest": []}
    assert storage.parse_form(Outer, storage.to_json(made)) == made


def test_what_has_another_form_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert storage.parse_written(Inner, {"values": [1], "unknown": 2}, path) == Inner((1.0,), 2.0)
    for value in ({"values": [1]}, {"values": "x", "unknown": 1}, [], None):
        with pytest.raises(UserError, match=r"a\.json"):
            storage.parse_written(Inner, value, path)
