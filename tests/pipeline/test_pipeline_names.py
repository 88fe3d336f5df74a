"""report.json holds what docs/machine-readable.md says, and nothing else."""

from pathlib import Path

from method_helpers import pretrain
from names_page import forms
from train_helpers import sentences

from modou.settings.run import RunSettings
from modou.storage import parse_form, to_json
from modou.train.events import RunEnded

TINY = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 1, "width": 16, "heads": 2, "context": 16},
    "train": {"steps": 4, "batch": 4, "evaluate_every": 2, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 900, "lengths": [2]},
}


def test_a_report_has_the_form_that_the_page_tells(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text(sentences(150, 1), encoding="utf-8")
    ended = list(pretrain(str(book), RunSettings.parse(TINY), tmp_path / "run"))[-1]
    assert isinstance(ended, RunEnded)
    (form,) = forms("Pretrained runs")
    assert to_json(parse_form(form, ended.report)) == ended.report
    assert ended.report["lengths"]["2"] and ended.report["training"]["history"][0]["train_bits_per_char"]
