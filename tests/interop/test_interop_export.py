"""modou export: a folder that is whole or not there, the same bytes every time, and no other folder harmed."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from session_helpers import make_runs

from modou.cli.main import status_of
from modou.interop.export import build, load_portable, require_replaceable
from modou.interop.exports import TARGETS, target
from modou.messages import UserError
from modou.runs.folder import RunFolder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    make_runs(folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_writes_the_same_bytes_twice(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["export", str(runs / "base"), "--to", "hf"]) == 0
    said = capsys.readouterr().out
    first = contents(runs / "base-hf")
    assert f"from_pretrained('{(runs / 'base-hf').as_posix()}')" in said
    assert status_of(["export", str(runs / "base"), "--to", "hf", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["export"]
    assert contents(runs / "base-hf") == first
    assert facts["files"] == {name: len(data) for name, data in first.items() if name != "modou/export.json"}
    assert facts["bytes"] == sum(facts["files"].values()) and facts["precision"] == "f32"
    assert not [path for path in runs.iterdir() if path.name.startswith(".")]


COMMANDS = {
    "gguf": "llama-server -m {0}/sft-gguf/sft.gguf -c 128 --jinja",
    "ollama": "ollama create sft -f {0}/sft-ollama/Modelfile",
    "ctranslate2": "ctranslate2.Generator('{0}/sft-ctranslate2')",
}


@pytest.mark.parametrize("to", COMMANDS)
def test_every_target_is_a_command_and_says_the_next_one(
    to: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for precision in ("f32", "q8_0"):
        assert status_of(["export", str(runs / "sft"), "--to", to, "--quantize", precision]) == 0
        assert COMMANDS[to].format(runs.as_posix()) in capsys.readouterr().out.replace("\n", " ")
    assert "q8_0" in (runs / f"sft-{to}" / "README.md").read_text(encoding="utf-8").lower()


def test_a_checkpoint_can_be_named(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", str(runs / "base"), "--to", "hf", "--out", str(tmp_path / "x"), "--json"]
    assert status_of([*words, "--checkpoint", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["export"]["step"] == 2


def test_what_a_run_is_goes_along(runs: Path) -> None:
    base, sft = (load_portable(RunFolder(runs / name)) for name in ("base", "sft"))
    assert (base.answers, sft.answers) == (False, True)
    assert base.about.texts == ("book.txt",) and sft.about.texts == ("book.txt", "chat.jsonl")
    assert base.about.report["test"]["bits_per_char"] > 0
    assert sft.about.language == base.about.language != ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "hd"), "hf"),
        ((), "add --to"),
        (("--to", "hf", "--quantize", "q2"), "f32, f16, bf16"),
        (("--to", "hf", "--checkpoint", "99"), "99"),
        (("--to", "gguf", "--adapter"), "--adapter is for --to hf only"),
        (("--to", "hf", "--base", "there"), "add --adapter"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(
    words: tuple[str, ...], said: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["export", str(runs / "base"), "--out", str(tmp_path / "out"), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(tmp_path.iterdir())


def write_letter(folder: Path) -> None:
    (folder / "a.txt").write_text("a")


def add_file(out: Path) -> None:
    (out / "modou" / "mine.txt").write_text("x")


def change_file(out: Path) -> None:
    (out / "a.txt").write_text("b")


def forge_mark(out: Path) -> None:
    (out / "modou" / "export.json").write_text("[]")


def forge_names(out: Path) -> None:
    (out / "modou" / "export.json").write_text('{"files": [{"a.txt": 1}, ["a.txt"], 3]}')


def forget_mark(out: Path) -> None:
    (out / "modou" / "export.json").unlink()


@pytest.mark.parametrize("change", [add_file, change_file, forge_mark, forge_names, forget_mark])
def test_other_folders_are_left_as_they_are(change: Callable[[Path], None], tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(out, "hf", write_letter)
    (out / ".DS_Store").write_text("left by a file manager")
    require_replaceable(out)
    change(out)
    before = contents(out)
    with pytest.raises(UserError, match="no export wrote"):
        require_replaceable(out)
    assert contents(out) == before


def test_a_file_or_a_run_in_its_place_is_refused(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="not a folder"):
        require_replaceable(tmp_path / "file")
    with pytest.raises(UserError, match="no export wrote"):
        require_replaceable(runs / "base")
    require_replaceable(tmp_path / "new" / "deep")


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (OSError(errno.ENOSPC, "full"), (UserError, "disk is full")),
        (OSError(errno.EACCES, "no"), (UserError, "permission")),
        (KeyboardInterrupt("stop"), (KeyboardInterrupt, "stop")),
    ],
    ids=["full", "denied", "interrupted"],
)
def test_a_fault_leaves_what_was_there(
    error: BaseException, shown: tuple[type[BaseException], str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    build(out, "hf", write_letter)
    before = contents(out)

    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("h")
        raise error

    for place in (out, tmp_path / "other"):
        with pytest.raises(shown[0], match=shown[1]):
            build(place, "hf", fail)
    assert contents(out) == before and [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, PermissionError])
def test_a_fault_between_two_renames_leaves_what_was_there(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, rename = tmp_path / "out", Path.rename
    build(out, "hf", write_letter)
    before = contents(out)

    def fail(path: Path, to: Path) -> Path:
        if ".out.tmp-" in path.name:
            raise error
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(UserError if error is PermissionError else error):
        build(out, "hf", write_letter)
    assert contents(out) == before and [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_is_a_file_of_its_name(name: str) -> None:
    found = target(name)
    assert found.name == name and found.precisions
