"""`modou doctor RUN` verifies all that the run recorded, and says what still works."""

import json
import shutil
from pathlib import Path

import kill_lives
import pytest
from method_helpers import pretrain
from train_helpers import sentences

from modou.cli import main as cli
from modou.pipeline.doctor import NOT_DONE, WHOLE, examine
from modou.runs.folder import RunFolder
from modou.settings.run import RunSettings


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor")
    list(kill_lives.whole_run(folder / "run"))
    return folder / "run"


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_a_whole_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = examine(RunFolder(run))
    assert not found.problems and all(found.works.values())
    assert set(found.stages.values()) == set(found.checkpoints.values()) == {WHOLE}
    assert cli.status_of(["doctor", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"]["whole"] is True


@pytest.mark.parametrize(
    ("file", "lost"),
    [
        ("checkpoints/step-*/model.safetensors", {"generate", "evaluate", "resume"}),
        ("settings.toml", {"generate", "evaluate", "resume"}),
        ("corpus/cleaned.txt", {"evaluate"}),
        ("report.json", set[str]()),
        ("stages/evaluate.json", set[str]()),
    ],
)
def test_what_is_damaged_is_named_with_what_no_longer_works(
    run: Path, file: str, lost: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in run.glob(file):
        path.write_bytes(b"")
    assert cli.status_of(["doctor", str(run), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)["run"]
    assert not found["whole"] and any(Path(file).name in line for line in found["problems"])
    assert {name for name, works in found["works"].items() if not works} == lost


def test_a_stage_that_was_never_done_is_no_damage(whole: Path, tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text(sentences(110, 1), encoding="utf-8")
    list(pretrain(str(book), RunSettings.parse(kill_lives.TINY), tmp_path / "run", until="shards"))
    found = examine(RunFolder(tmp_path / "run"))
    assert not found.problems and found.stages["shards"] == WHOLE and found.stages["train"] == NOT_DONE
    assert not any(found.works.values()) and found.checkpoints == {}
