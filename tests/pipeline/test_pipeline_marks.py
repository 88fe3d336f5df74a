"""`modou sft` from a base whose tokenizer was trained without the marks of a conversation."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_helpers import state
from closeness import assert_close_sums
from method_helpers import begun, dpo, pretrain, sft
from train_helpers import DOES, WHAT, WHERE, WHO, sentences

from modou import storage
from modou.cli import main as cli
from modou.messages import UserError
from modou.methods.likelihood import bits_per_character, excerpts
from modou.model.gpt import GPT
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model, load_weights
from modou.settings.methods import DpoRun, SftRun
from modou.settings.model import ModelSettings
from modou.settings.run import RunSettings
from modou.settings.text import TokenizerSettings
from modou.text.corpus import Corpus
from modou.tokenizer import training as tokenizer_training
from modou.tokenizer.loading import load_tokenizer
from modou.tokenizer.model import open_model, with_controls
from modou.tokenizer.training import CONTROLS, train_model

TALK = [(f"{who}{place}？", f"{does}{what}。") for who, place, does, what in zip(WHO, WHERE, DOES, WHAT, strict=True)]


def settings(**groups: dict[str, Any]) -> SftRun:
    values = {"train": {"batch": 4, "threads": 1}, "sft": {"epochs": 2.0}, "sampling": {"tokens": 8}}
    return SftRun().with_values(values).with_values(groups)


@pytest.fixture(scope="module", params=["tied", "untied"])
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the older kind: text, tokenizer, checkpoint, and no mark."""
    folder = tmp_path_factory.mktemp("old")
    book = folder / "book.txt"
    book.write_text(sentences(110, 1), encoding="utf-8")
    run = RunFolder(folder / "base")
    list(pretrain(str(book), RunSettings(), run.path, until="clean"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer_training, "CONTROLS", ())
        model = train_model([sentences(110, 1)], TokenizerSettings(vocabulary=330, threads=1))[0]
    run.tokenizer.mkdir()
    (run.tokenizer / "tokenizer.model").write_bytes(model)
    processor = open_model(model)
    assert processor is not None
    shape = ModelSettings(
        vocabulary=processor.get_piece_size(),
        layers=2,
        width=16,
        heads=2,
        context=128,
        dropout=0.1,
        tied=request.param == "tied",
    )
    begun(run, shape)
    torch.manual_seed(1)
    said = state(1, tokenizer_sha256=hashlib.sha256(model).hexdigest())
    checkpoints.save(run.checkpoints, 1, {"model": dict(GPT(shape).named_parameters())}, said, best=True)
    return run.path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "chat.jsonl"
    rows = [{"instruction": question, "output": answer} for question, answer in TALK * 4]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def original(base: Path) -> GPT:
    """The model as it was trained."""
    found = checkpoints.newest(base / "checkpoints")
    assert found is not None
    model = GPT(Record[Any].read(RunFolder(base)).model).eval()
    model.load_state_dict(checkpoints.load_group(found.path, "model"))
    return model


def test_the_new_run_has_the_marks_and_the_base_stays(base: Path, data: Path, tmp_path: Path) -> None:
    untouched = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    list(sft(base, data, settings(), tmp_path / "out"))
    assert {path: path.read_bytes() for path in base.rglob("*") if path.is_file()} == untouched
    report = storage.read_json(tmp_path / "out" / "report.json")
    assert report["data"]["marks_added"] == list(CONTROLS) and not report["data"]["bad"]
    assert report["validation"]["loss"] < report["base"]["validation"]["loss"]
    model, tokenizer, _ = load_model(RunFolder(tmp_path / "out"))
    assert tokenizer.files == {"tokenizer.model": with_controls((base / "tokenizer" / "tokenizer.model").read_bytes())}
    assert model.settings.vocabulary == tokenizer.vocabulary == original(base).settings.vocabulary + len(CONTROLS)
    texts = excerpts(list(Corpus(base / "corpus").texts("validation")), 20_000)
    was = bits_per_character(original(base), tokenizer, texts).value
    assert was <= report["drift"]["before"] <= was * 1.01


def test_the_base_with_marks_says_the_same_of_every_old_token(base: Path) -> None:
    old = original(base)
    larger, tokenizer, _ = load_weights(RunFolder(base), extend=True)
    ids_BT = torch.tensor([tokenizer.encode(sentences(2, 3))[:100]])
    with torch.no_grad():
        scores_BTV = larger.eval()(ids_BT)[..., : old.settings.vocabulary]
        assert_close_sums(scores_BTV, old(ids_BT))
    rows = {tuple(larger.head_VD[id].tolist()) for id in tokenizer.controls.values()}
    assert len(rows) == len(CONTROLS), "adapters could not tell equal ones apart"


@pytest.mark.parametrize("rank", [0, 2])
def test_stopped_and_taken_up_is_the_same_to_the_bit(base: Path, data: Path, tmp_path: Path, rank: int) -> None:
    asked = settings(sft={"epochs": 8.0 if rank else 2.0, "held_out": 0.0}, lora={"rank": rank})
    list(sft(base, data, asked, tmp_path / "whole"))
    stops = iter([False, False, True])
    assert not list(sft(base, data, asked, tmp_path / "parts", should_stop=lambda: next(stops, True)))[-1].finished
    list(sft(base, data, asked, tmp_path / "parts"))
    whole, parts = (RunFolder(tmp_path / name) for name in ("whole", "parts"))
    one, two = (load_model(run, "latest")[0].state_dict() for run in (whole, parts))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    report, again = (storage.read_json(run.report_json) for run in (whole, parts))
    assert report["validation"] == again["validation"] and report["samples"] == again["samples"]
    assert report["validation"]["loss"] < report["base"]["validation"]["loss"]


def test_what_follows_takes_it_like_any_other(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert cli.status_of(["data", "check", str(data), str(base)]) == 0
    options = ["--out", str(out), "--train.batch", "4", "--train.threads", "1"]
    assert cli.status_of(["sft", str(base), str(data), *options]) == 0
    said = capsys.readouterr()
    assert "tokenizer lacks <|system|> <|user|> <|assistant|> <|end|>" in said.out + said.err
    assert cli.status_of(["generate", str(out), TALK[0][0], "--tokens", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"][0]["tokens"] <= 5
    assert cli.status_of(["compare", str(data), str(base), str(out), "--count", "2"]) == 0
    list(sft(out, data, settings(), tmp_path / "second"))
    assert storage.read_json(tmp_path / "second" / "report.json")["data"]["marks_added"] == []
    assert load_tokenizer(tmp_path / "second" / "tokenizer").files == load_tokenizer(out / "tokenizer").files
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"prompt": question, "chosen": answer, "rejected": answer[::-1]} for question, answer in TALK]
    pairs.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert list(dpo(out, pairs, DpoRun().with_values({"train": {"batch": 4, "threads": 1}})))[-1].finished
    with pytest.raises(UserError, match="modou sft"):
        list(dpo(base, pairs, DpoRun(), tmp_path / "refused"))


def test_without_marks_a_base_continues_texts(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.status_of(["generate", str(base), "阿豆", "--tokens", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"][0]["tokens"] <= 5


def test_a_tokenizer_of_another_model_is_refused(base: Path, data: Path, tmp_path: Path) -> None:
    other = RunFolder(shutil.copytree(base, tmp_path / "other"))
    for vocabulary in (320, 400):
        begun(other, Record[Any].read(other).model.changed(vocabulary=vocabulary))
        with pytest.raises(UserError, match=f"model has {vocabulary} tokens"):
            list(sft(other.path, data, settings(), tmp_path / "out"))
