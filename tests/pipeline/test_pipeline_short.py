"""Short and regular texts are trained on to the end; what was assumed of a folder is said before it."""

import json
from pathlib import Path

import pytest

from modou.cli.main import status_of
from modou.methods.preparation import ShardFigures
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.stages import figures
from modou.settings.run import RunSettings

TINY = (
    *("--layers", "1", "--width", "16", "--model.heads", "2", "--train.batch", "2", "--train.threads", "1"),
    *("--evaluate.quick_characters", "200", "--evaluate.written_characters", "500"),
)
SHORT = {
    "chinese": "小鹅每天早上去池塘。" * 36,
    "english": "The goose went to the pond every day. " * 10,
    "one letter": ("z" * 30 + ".\n") * 13,
    "verse": "\n".join(f"goose {n} on the pond\nthe pond under the moon" for n in range(9)),
}


@pytest.mark.parametrize(("kind", "until"), [(kind, "--train.steps") for kind in SHORT] + [("verse", "--minutes")])
def test_a_short_text_is_trained_on_to_the_report(kind: str, until: str, tmp_path: Path) -> None:
    limit = (until, "3" if until == "--train.steps" else "0.02")
    book, out = tmp_path / "book.txt", tmp_path / "run"
    book.write_text(SHORT[kind], encoding="utf-8")
    assert status_of(["run", str(book), "--out", str(out), *limit, *TINY]) == 0
    folder = RunFolder(out)
    tokens = figures(folder, "shards", ShardFigures).tokens
    settings = Record[RunSettings].read(folder).settings
    assert settings.model.context < tokens <= 256
    assert (out / "report.html").is_file()


def test_what_was_passed_over_is_said_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text(SHORT["english"] * 3, encoding="utf-8")
    for number in range(5):
        (folder / f"empty{number}.txt").write_bytes(b"")
    rows = [json.dumps({"text": "A heron stood in the reeds."}), "{", json.dumps({"name": 3})]
    (folder / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    assert status_of(["run", str(folder), "--out", str(tmp_path / "run"), "--train.steps", "2", *TINY]) == 0
    said = capsys.readouterr().out.splitlines()
    stages = {
        name: next(n for n, line in enumerate(said) if name in line) for name in ("clean: ", "tokenizer: ", "train: ")
    }
    notes = [line for line in said[stages["clean: "] : stages["tokenizer: "]] if line.startswith("! ")]
    assert [sum(f"empty{n}.txt" in line for line in notes) for n in range(5)] == [1, 1, 1, 0, 0]
    assert sum("2 more like these" in line for line in notes) == 1
    assert sum("rows.jsonl: 2 of 3 rows" in line for line in notes) == 1
