"""docs/machine-readable.md names everything in report.json, and nothing else."""

import re
from pathlib import Path

from method_helpers import pretrain
from page_helpers import documented, paths, pattern
from train_helpers import sentences

from modou.settings.run import RunSettings
from modou.train.events import RunEnded

SOMETIMES = re.compile(r"lengths|.*\.kinds\.|cleaning\.notes|variety|.*\.longest_copy|training\.history$")
TINY = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 1, "width": 16, "heads": 2, "context": 16},
    "train": {"steps": 4, "batch": 4, "evaluate_every": 2, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 900, "lengths": [2]},
}


def test_the_page_names_what_a_report_holds(tmp_path: Path) -> None:
    book = tmp_path / "book.txt"
    book.write_text(sentences(150, 1), encoding="utf-8")
    ended = list(pretrain(str(book), RunSettings.parse(TINY), tmp_path / "run"))[-1]
    assert isinstance(ended, RunEnded)
    found = set(paths(ended.report))
    patterns = {name: pattern(name) for name in documented()}
    unnamed = [path for path in found if not any(p.match(path) for p in patterns.values())]
    assert not unnamed
    gone = [n for n, p in patterns.items() if not SOMETIMES.match(n) and not any(p.match(path) for path in found)]
    assert not gone
