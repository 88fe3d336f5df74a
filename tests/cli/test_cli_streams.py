"""What is printed is harmless wherever it comes from; streams may be closed; notices reach people and programs."""

import ast
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from modou.cli import console, streams
from modou.cli import main as cli
from modou.cli.live import Display, LiveDisplay, PlainDisplay
from modou.cli.main import status_of
from modou.messages import UserError, tell

CODE = Path(streams.__file__).parent.parent
RAW = "e\x1b]0;PWN\x07\x1b[31mP\u202eW\u009bmN\x7f\u2066\u200f\ud83d"
HARMFUL = set("\x1b\x07\x7f\x9b\u202e\u2066\u200f\ud83d")
posix = pytest.mark.skipif(os.name == "nt", reason="needs a shell that closes streams, and any name")


def test_one_function_prints() -> None:
    places: list[str] = []
    for path in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                places.append(f"{path.parent.name}/{path.name}")
    assert places == ["cli/streams.py"]


def test_every_way_of_saying_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    console.say(RAW)
    console.remark(RAW)
    console.fail(RAW)
    console.say_facts({"name": RAW, "remarks": [RAW]})
    found = {"majority": {}, "real": {}, "questions": 1, "data": RAW, "reference": RAW}
    console.say_comparison({**found, "runs": {RAW: {"rules": {RAW: 0.5}}, "b": {}}})
    pages = console.Pages(RAW, 2)
    pages.begin()
    pages.push(0, RAW, True)
    pages.push(1, RAW, True)
    try:
        raise ValueError(RAW)
    except ValueError:
        console.fail_internally()
    shown = capsys.readouterr()
    assert "ePWN" in shown.out and "ePWN" in shown.err
    assert not HARMFUL & set(shown.out + shown.err)


def test_json_is_the_same_value_without_raw_controls(capsys: pytest.CaptureFixture[str]) -> None:
    value = {RAW: [RAW, "魔豆\n\t", "\u2028\u061c"]}
    console.print_json(value)
    shown = capsys.readouterr().out
    assert not HARMFUL & set(shown) and "魔豆" in shown and r"\u202e" in shown
    assert json.loads(shown) == value


@posix
def test_the_name_of_a_file_is_harmless_in_a_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"{RAW[:-1]}.jsonl"
    path.write_text('{"question": "Who?", "answer": "Hob."}\n{}\n', encoding="utf-8")
    for words in ([], ["--json"]):
        assert status_of(["data", "check", str(path), *words]) == 0
        assert not HARMFUL & set(capsys.readouterr().out)


def test_a_notice_is_shown_once_and_kept_for_programs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(argv: list[str]) -> int:
        for line in ("step 3 is used", "step 3 is used", f"from {RAW}"):
            tell(line)
        console.print_json({"notices": ["first"], "value": 1})
        return 0

    monkeypatch.setattr(cli, "dispatch", command)
    for _ in range(2):  # what one command was told is not told of the next
        assert status_of([]) == 0
        shown = capsys.readouterr()
        assert shown.err.splitlines() == ["step 3 is used", "from ePWN"]
        assert json.loads(shown.out)["notices"] == ["first", "step 3 is used", f"from {RAW}"]
    assert streams.notices not in logging.getLogger("modou").handlers and logging.getLogger("modou").propagate


def test_only_the_first_process_shows_a_notice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with streams.noticing():
        tell("step 3 is used")
    assert capsys.readouterr() == ("", "")


def test_a_notice_comes_where_the_run_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    panel = io.StringIO()
    displays: list[Any] = [Display(), PlainDisplay(io.StringIO()), LiveDisplay(Console(file=panel))]
    for number, display in enumerate(displays):

        def events(number: int = number) -> Any:
            tell(f"notice {number}")
            yield from ()

        with streams.noticing():
            console.watch(events(), display)
    assert capsys.readouterr().err == "notice 1\n"
    assert "notice 2" in panel.getvalue()


def modou(*argv: str, closed: str) -> subprocess.CompletedProcess[bytes]:
    command = " ".join([sys.executable, "-m", "modou", *argv, closed])
    environment = {**os.environ, "MODOU_LANG": "en"}
    return subprocess.run(["sh", "-c", command], capture_output=True, stdin=subprocess.DEVNULL, env=environment)


@posix
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_the_null_device(tmp_path: Path, closed: str) -> None:
    book = tmp_path / "book.txt"
    assert modou("corpus", "storyteller-en", str(book), "--size", "20000", closed=closed).returncode == 0
    assert 15_000 < book.stat().st_size < 30_000
    assert modou("nonsense", closed=closed).returncode == 2
    opened = book.read_text(encoding="utf-8")
    assert "characters in" not in opened and "nonsense" not in opened, "no message went into the file"


def test_a_closed_input_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    for read in (streams.read_prompt, lambda: console.read_key("12sq")):
        with pytest.raises(UserError, match="standard input is closed, there is no input"):
            read()


def test_an_input_without_end_is_no_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PROMPT_LIMIT", 100)
    for given, read in ((b"\xef\xbb\xbfHob?\r\n", "Hob?"), (b"x" * 100, "x" * 100), (b"", "")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        assert streams.read_prompt() == read
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 101)))
    with pytest.raises(UserError, match="standard input holds more than"):
        streams.read_prompt()
