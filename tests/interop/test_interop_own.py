"""What modou exported comes back: the same weights, tokenizer and purpose, whatever the kind of model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from import_helpers import command, imported, write_model
from session_helpers import QUESTIONS, make_runs
from train_helpers import sentences

import modou
from modou.pipeline.score import score_file
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_weights
from modou.train.events import StageEnded


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base and an SFT of it, each exported and imported again."""
    folder = tmp_path_factory.mktemp("own")
    make_runs(folder)
    for name in ("base", "sft"):
        assert command("export", folder / name, "--to", "hf", "--out", folder / f"{name}-hf") == 0
        imported(folder / f"{name}-hf", folder / f"{name}-back")
    return folder


def score(run: Path, file: Path) -> Any:
    *_, ended = score_file(RunFolder(run), str(file))
    assert isinstance(ended, StageEnded)
    return ended.numbers["test"]


@pytest.mark.parametrize("name", ["base", "sft"])
def test_weights_tokenizer_and_purpose_come_back(runs: Path, name: str) -> None:
    (was, own, _), (now, back, _) = (load_weights(RunFolder(runs / folder)) for folder in (name, f"{name}-back"))
    weights = was.state_dict()
    assert weights.keys() == now.state_dict().keys()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in now.state_dict().items())
    assert back.sha256 == own.sha256 and back.unseen == own.unseen
    assert Record[Any].read(RunFolder(runs / f"{name}-back")).answers == (name == "sft")


@pytest.mark.parametrize("name", ["base", "sft"])
def test_figures_and_texts_are_the_same(runs: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(sentences(9, 77), encoding="utf-8")
    assert score(runs / name, tmp_path / "text.txt") == score(runs / f"{name}-back", tmp_path / "text.txt")
    was, now = (modou.load(runs / folder) for folder in (name, f"{name}-back"))
    for question in QUESTIONS:
        assert was.generate(question, tokens=20, temperature=0) == now.generate(question, tokens=20, temperature=0)
    if name == "sft":
        talk = [{"role": "user", "content": QUESTIONS[0]}]
        assert was.chat(talk, tokens=20, seed=4) == now.chat(talk, tokens=20, seed=4)


def test_it_is_exported_again_byte_for_byte(runs: Path, tmp_path: Path) -> None:
    assert command("export", runs / "sft-back", "--to", "hf", "--out", tmp_path / "again") == 0
    for file in ("model.safetensors", "tokenizer.json", "chat_template.jinja", "modou/tokenizer.model"):
        assert (tmp_path / "again" / file).read_bytes() == (runs / "sft-hf" / file).read_bytes(), file


def test_a_model_without_marks_does_not_answer_whatever_is_said_of_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", "gpt2")
    run = imported(tmp_path / "model", tmp_path / "run")
    shutil.copytree(run.tokenizer, tmp_path / "model" / "modou")
    (tmp_path / "model" / "modou" / "settings.toml").write_text("[run]\nanswers = true\n", encoding="utf-8")
    again = imported(tmp_path / "model", tmp_path / "again")
    assert not Record[Any].read(again).answers and modou.load(again.path).generate("谁", tokens=2) is not None


def test_another_vocabulary_is_not_taken_for_our_own(runs: Path, tmp_path: Path) -> None:
    """A tokenizer.json that was changed since: our own would mean other ids."""
    for file in (runs / "sft-hf").rglob("*"):
        if file.is_file():
            place = tmp_path / "model" / file.relative_to(runs / "sft-hf")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
    path = tmp_path / "model" / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    vocab = values["model"]["vocab"]
    first, second = list(vocab)[-2:]
    vocab[first], vocab[second] = vocab[second], vocab[first]
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    run = imported(tmp_path / "model", tmp_path / "run")
    assert not (run.tokenizer / "tokenizer.model").exists() and not Record[Any].read(run).answers


def test_an_import_tells_how_to_ask_a_model_that_answers(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, told in (("sft", "Ask it:"), ("base", "Let it continue a text")):
        assert command("import", runs / f"{name}-hf", "--out", tmp_path / name) == 0
        assert told in capsys.readouterr().out


def test_a_tokenizer_beside_that_does_not_restore_texts_is_not_taken(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "base-hf", tmp_path / "forged")
    file = tmp_path / "forged/modou/tokenizer.model"
    pieces, name, normalizer = file.read_bytes().rpartition(b"identity")
    assert normalizer.count(b"\x18\x00\x20\x00") == 1  # no prefix, white space kept
    file.write_bytes(pieces + name + normalizer.replace(b"\x18\x00\x20\x00", b"\x18\x00\x20\x01"))
    back = imported(tmp_path / "forged", tmp_path / "back")
    assert load_weights(back)[1].files != load_weights(RunFolder(runs / "base"))[1].files


def test_another_tokenizer_is_not_passed_over(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "base-hf", tmp_path / "model")
    for _ in range(2):  # the second time nothing is to be done
        assert command("import", tmp_path / "model", "--out", tmp_path / "run") == 0
    capsys.readouterr()
    shutil.rmtree(tmp_path / "model/modou")
    assert command("import", tmp_path / "model", "--out", tmp_path / "run") == 2
    assert "tokenizer.json" in capsys.readouterr().err
