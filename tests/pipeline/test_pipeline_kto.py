"""`modou kto` from the command line: from labelled answers and pairs to a run that answers and is compared."""

import json
from pathlib import Path

import pytest
from method_helpers import pretrain, sft
from train_helpers import DOES, WHAT, WHERE, WHO, sentences

from modou import storage
from modou.cli import main as cli
from modou.methods.kto import KtoMethod
from modou.model.gpt import GPT
from modou.pipeline.inputs import examples_source, run_source
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import answers, load_model
from modou.settings.methods import KtoRun, SftRun
from modou.settings.run import RunSettings

TALK = [(f"{who}{place}？", f"{does}{what}。") for who, place, does, what in zip(WHO, WHERE, DOES, WHAT, strict=True)]


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(storage.json_line(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that answers, and answers that were judged: pairs, labelled ones, and a row that is neither."""
    folder = tmp_path_factory.mktemp("kto")
    book = folder / "book.txt"
    book.write_text(sentences(110, 1), encoding="utf-8")
    shape = {
        "tokenizer": {"vocabulary": 330, "threads": 1},
        "model": {"layers": 2, "width": 16, "heads": 2, "context": 128},
        "train": {"steps": 4, "batch": 4, "evaluate_every": 4, "threads": 1},
        "evaluate": {"quick_characters": 200, "written_characters": 500},
    }
    list(pretrain(str(book), RunSettings.parse(shape), out=folder / "base"))
    chat = write(folder / "chat.jsonl", *({"instruction": q, "output": a} for q, a in TALK * 2))
    list(sft(folder / "base", chat, SftRun.parse({"train": {"batch": 4, "threads": 1}}), folder / "sft"))
    write(
        folder / "judged.jsonl",
        *({"prompt": q, "chosen": a, "rejected": a[::-1]} for q, a in TALK[:3]),
        *({"prompt": q, "completion": a, "label": n % 2 == 0} for n, (q, a) in enumerate(TALK[3:])),
        {"prompt": "？"},
    )
    write(folder / "questions.jsonl", *({"question": q, "answer": f"#### {a}"} for q, a in TALK))
    return folder


def test_a_run_learns_answers_and_is_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["kto", str(folder / "sft"), str(folder / "judged.jsonl"), "--epochs", "2", "--kto.held_out", "0.4"]
    options = ["--train.batch", "3", "--train.threads", "1", "--lang", "en"]
    assert cli.status_of([*words, *options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["run"]["method"] == "kto" and report["run"]["finished"]
    counts = report["data"]
    assert (counts["answers"], counts["desirable"], counts["undesirable"], counts["bad"]) == (9, 5, 4, 1)
    assert {"loss", "accuracy", "z0"} < report["validation"].keys() and report["samples"] and "drift" in report
    assert report["training"]["history"][-1]["z0"] >= 0
    run = RunFolder(folder / "sft-kto")
    assert type(load_model(run)[0]) is GPT and answers(run)
    assert cli.status_of([*words, *options]) == 0, "the same command finds it done"
    assert cli.status_of(["generate", str(run.path), TALK[0][0], "--tokens", "4"]) == 0
    capsys.readouterr()
    out = folder / "compared"
    runs = [str(folder / "sft"), str(run.path), "--judge", "exact", "--tokens", "6", "--out", str(out)]
    assert cli.status_of(["compare", str(folder / "questions.jsonl"), *runs]) == 0
    found = storage.read_json(out / "compare.json")["runs"]["sft-kto"]
    assert found["method"] == "kto" and found["kl"]["mean"] != 0
    assert found["copied"]["longest"] == len(found["copied"]["text"])


def test_its_beginning_says_what_the_file_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["kto", str(folder / "sft"), str(folder / "judged.jsonl"), "--out", str(folder / "said")]
    assert cli.status_of([*words, "--train.steps", "1", "--train.threads", "1", "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert "9 answers: 5 desirable, 4 undesirable" in said and "neither a labelled answer nor a preference" in said
    assert cli.status_of(["kto", str(folder / "sft"), str(folder / "chat.jsonl"), "--out", str(folder / "none")]) == 2


def test_the_answers_to_a_question_are_all_learned_or_all_measured(folder: Path) -> None:
    inputs = {"base": run_source(folder / "sft"), "data": examples_source(folder / "judged.jsonl")}
    made = KtoMethod(RunFolder(folder / "made"), Record("kto", inputs, KtoRun()))
    seen, measured = made.split_by_question(0.4, 1)
    assert sorted(seen + measured) == list(range(9)) and measured
    questions = made.data.questions
    assert not {questions[place] for place in seen} & {questions[place] for place in measured}
