"""Texts of one's own to validate and test on: exactly as they stand, and in the units of other programs."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from method_helpers import pretrain
from torch.nn import functional
from train_helpers import of_kind, sentences

from modou.messages import UserError
from modou.methods.evaluation import TextEvaluation
from modou.pipeline.inputs import book_source
from modou.pipeline.score import score_file
from modou.runs.folder import RunFolder
from modou.runs.stages import figures
from modou.runs.weights import load_model
from modou.settings.run import RunSettings
from modou.text.corpus import Corpus
from modou.train.events import StageEnded

TINY: dict[str, dict[str, Any]] = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 1, "width": 16, "heads": 2, "context": 512},
    "train": {"steps": 2, "batch": 4, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 500},
}
TEST = "  第一行，前有两格。\n\n\n第四行  ，\t后有制表符 \nLast line, as it stands: 7.\n"
VALIDATION = "另一本书的话。\n\n　　它有空行。"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with a validation and a test text of its own."""
    folder = tmp_path_factory.mktemp("exact")
    files = {"book": sentences(110, 1), "validation": VALIDATION, "test": TEST}
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="")
    given = {name: book_source(str(folder / f"{name}.txt")) for name in ("validation", "test")}
    list(pretrain(str(folder / "book.txt"), RunSettings.parse(TINY), out=folder / "run", given=given))
    return RunFolder(folder / "run")


def test_given_texts_stay_as_they_are(run: RunFolder) -> None:
    corpus = Corpus(run.corpus)
    assert list(corpus.texts("test")) == [TEST.removesuffix("\n")]
    assert list(corpus.texts("validation")) == [VALIDATION]
    assert corpus.summary.way == "given"
    book = (run.path.parent / "book.txt").read_text(encoding="utf-8")
    assert "".join("".join(corpus.texts("train")).split()) == "".join(book.split())
    assert [item["key"] for item in corpus.report.notes].count("text.note_given") == 2


def test_figures_are_those_of_plain_cross_entropy(run: RunFolder) -> None:
    found = figures(run, "evaluate", TextEvaluation).test
    model, tokenizer, _ = load_model(run, "best")
    text = TEST.removesuffix("\n")
    ids = torch.tensor([[tokenizer.bos, *tokenizer.encode(text), tokenizer.eos]])
    assert ids.shape[1] <= 512  # one window
    with torch.no_grad():
        logits = model.double()(ids[:, :-1])
    nats = float(functional.cross_entropy(logits[0], ids[0, 1:], reduction="sum"))
    newlines = text.count("\n")
    assert found.tokens == ids.shape[1] - 1 and found.newlines == newlines
    assert found.characters == len(text) - newlines
    assert found.nats_per_token == pytest.approx(nats / found.tokens, rel=1e-4)
    assert found.bits_per_char == pytest.approx(nats / math.log(2) / found.characters, rel=1e-4)
    assert found.bits_per_char_with_newlines == pytest.approx(nats / math.log(2) / len(text), rel=1e-4)


def test_a_text_is_scored_later_as_well(run: RunFolder) -> None:
    before = sorted(path for path in run.path.rglob("*"))
    ended = of_kind(list(score_file(run, str(run.path.parent / "test.txt"))), StageEnded)
    stored = figures(run, "evaluate", TextEvaluation)
    assert ended[0].numbers["test"]["nats_per_token"] == stored.test.nats_per_token
    assert ended[0].numbers["baselines"]["kn3"]["bits_per_char"] == stored.baselines["kn3"].bits_per_char  # type: ignore[union-attr]
    assert sorted(path for path in run.path.rglob("*")) == before


def test_an_empty_text_is_refused(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    with pytest.raises(UserError, match="is empty"):
        list(score_file(run, str(tmp_path / "empty.txt")))


def test_a_test_text_cannot_be_added_afterwards(run: RunFolder, tmp_path: Path) -> None:
    book = run.path.parent / "book.txt"
    list(pretrain(str(book), RunSettings.parse(TINY), out=tmp_path / "run", until="clean"))
    given = {"test": book_source(str(run.path.parent / "test.txt"))}
    with pytest.raises(UserError, match=r"--test .*test.txt"):
        list(pretrain(str(book), RunSettings.parse(TINY), out=tmp_path / "run", given=given))
