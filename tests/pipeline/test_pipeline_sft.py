"""`modou sft` from a small base to a model that is asked, and `modou data check`; resumed, refused, with adapters."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from closeness import ROUNDING
from method_helpers import pretrain, sft
from train_helpers import DOES, WHAT, WHERE, WHO, of_kind, sentences

from modou import storage
from modou.cli import main as cli
from modou.messages import UserError
from modou.model.gpt import GPT
from modou.pipeline.check import check
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import answers, load_model
from modou.settings.methods import SftRun
from modou.settings.run import RunSettings
from modou.tokenizer.loading import load_tokenizer
from modou.train.events import Notice, RunEnded, StageBegan, StageEnded, Stepped

TINY: dict[str, dict[str, Any]] = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 2, "width": 16, "heads": 2, "context": 160, "dropout": 0.1},
    "train": {"steps": 4, "batch": 4, "evaluate_every": 2, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 500},
}
ROWS = [
    {"instruction": f"{who}{place}{what}？", "output": f"{who}{does}{what}。"}
    for who, does, what, place in zip(WHO * 4, DOES * 4, WHAT * 4, WHERE * 4, strict=True)
]


def settings(**groups: dict[str, Any]) -> SftRun:
    return (
        SftRun()
        .with_values({"train": {"batch": 4, "threads": 1}, "sft": {"epochs": 2.0}, "sampling": {"tokens": 8}})
        .with_values(groups)
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    book = folder / "book.txt"
    book.write_text(sentences(110, 1), encoding="utf-8")
    list(pretrain(str(book), RunSettings.parse(TINY), out=folder / "base"))
    return folder / "base"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "chat.jsonl"
    rows = [*ROWS, {"instruction": "长" * 300, "output": "短"}, {"text": "没有人问"}]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + "{oops\n", encoding="utf-8")
    return path


def test_every_stage_and_an_answer(base: Path, data: Path, tmp_path: Path) -> None:
    untouched = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    events = list(sft(base, data, settings(), tmp_path / "out"))
    assert [event.stage for event in of_kind(events, StageBegan)] == ["data", "plan", "train", "evaluate", "report"]
    end = events[-1]
    assert isinstance(end, RunEnded) and end.finished
    report = storage.read_json(tmp_path / "out" / "report.json")
    assert report == end.report
    assert report["data"]["conversations"] == len(ROWS) and report["data"]["bad"] == 3
    assert [line.split(":")[1] for line in sorted(report["data"]["complaints"])] == ["25", "26", "27"]
    assert report["validation"]["loss"] < report["base"]["validation"]["loss"]
    assert report["drift"]["now"] == pytest.approx(report["drift"]["before"] + report["drift"]["bits_per_char"])
    folder = RunFolder(tmp_path / "out")
    assert Record[Any].read(folder).method == "sft" and answers(folder) and not answers(RunFolder(base))
    assert {path: path.read_bytes() for path in base.rglob("*") if path.is_file()} == untouched


def test_the_bases_text_is_read_along_while_it_lies_there(base: Path, data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "base"
    shutil.copytree(base, moved)
    events = list(sft(moved, data, settings(), tmp_path / "beside"))
    assert not of_kind(events, Notice)
    assert all(step.metrics["replay_kl"] > 0 for step in of_kind(events, Stepped)[1:])
    shutil.rmtree(moved / "corpus")
    for name, rows, said in (("gone", 4, 1), ("unwanted", 0, 0)):
        events = list(sft(moved, data, settings(replay={"rows": rows}), tmp_path / name))
        notices = [str(event) for event in of_kind(events, Notice)]
        assert len(notices) == said and all(str(moved) in notice for notice in notices)
        assert all("replay_kl" not in step.metrics for step in of_kind(events, Stepped))


def test_repetition_is_weighed_where_it_is_asked_for(base: Path, data: Path, tmp_path: Path) -> None:
    for weight in (0.0, 2.0):
        events = list(sft(base, data, settings(sft={"unlikelihood": weight}), tmp_path / str(weight)))
        assert all(("repetition" in step.metrics) == bool(weight) for step in of_kind(events, Stepped))


def test_what_an_answer_holds_may_be_written_from_then_on(base: Path, data: Path, tmp_path: Path) -> None:
    row = json.dumps({"instruction": "\U0001f600", "output": "a\u3402"})  # none of which the base ever read
    data.write_text(data.read_text(encoding="utf-8") + row + "\n", encoding="utf-8")
    list(sft(base, data, settings(), tmp_path / "out"))
    before, after = (load_tokenizer(RunFolder(path).tokenizer) for path in (base, tmp_path / "out"))
    asked, answer = ({*before.encode(text)} & before.unseen for text in ("\U0001f600", "a\u3402"))
    assert answer | {before.end} <= before.unseen - after.unseen
    assert asked - answer and asked - answer <= after.unseen < before.unseen


def test_the_same_command_goes_on_and_ends_alike(base: Path, data: Path, tmp_path: Path) -> None:
    list(sft(base, data, settings(), tmp_path / "whole"))
    stops = iter([False, False, True])
    stopped = list(sft(base, data, settings(), tmp_path / "parts", should_stop=lambda: next(stops, True)))
    assert isinstance(stopped[-1], RunEnded) and not stopped[-1].finished
    list(sft(base, data, settings(), tmp_path / "parts"))
    one, two = (storage.read_json(tmp_path / name / "report.json") for name in ("whole", "parts"))
    assert one["validation"] == two["validation"] and one["samples"] == two["samples"]
    again = list(sft(base, data, settings(), tmp_path / "parts"))
    assert of_kind(again, Notice) and not of_kind(again, Stepped) and again[-1].finished


def test_other_settings_data_or_base_are_refused(base: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    list(sft(base, data, settings(), out))
    with pytest.raises(UserError, match=r"sft\.epochs"):
        list(sft(base, data, settings(sft={"epochs": 9.0}), out))
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps(ROWS[0], ensure_ascii=False), encoding="utf-8")
    with pytest.raises(UserError, match="DATA"):
        list(sft(base, other, settings(), out))
    with pytest.raises(UserError):
        list(sft(base, data, settings(), base))


def test_adapters_are_merged_when_the_model_is_used(base: Path, data: Path, tmp_path: Path) -> None:
    events = list(sft(base, data, settings(lora={"rank": 2}), tmp_path / "out"))
    model, _, _ = load_model(RunFolder(tmp_path / "out"))
    assert type(model) is GPT
    report = storage.read_json(tmp_path / "out" / "report.json")
    assert report["settings"]["optimizer"]["name"] == "adamw"
    assert report["validation"]["loss"] < report["base"]["validation"]["loss"]
    assert of_kind(events, StageEnded)


def test_a_second_sft_begins_where_the_first_ended(base: Path, data: Path, tmp_path: Path) -> None:
    list(sft(base, data, settings(lora={"rank": 2}), tmp_path / "one"))
    list(sft(tmp_path / "one", data, settings(), tmp_path / "two"))
    first, second = (storage.read_json(tmp_path / name / "report.json") for name in ("one", "two"))
    assert second["base"]["validation"]["loss"] == pytest.approx(first["validation"]["loss"], rel=ROUNDING)


def test_a_file_without_conversations_is_one_clear_line(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(json.dumps({"text": "没有人问"}, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(UserError, match=r"texts\.jsonl"):
        list(sft(base, path, settings(), tmp_path / "out"))


def test_generate_asks_and_the_answer_stands_by_itself(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list(sft(base, data, settings(), tmp_path / "out"))
    question = ROWS[0]["instruction"]
    assert cli.status_of(["generate", str(tmp_path / "out"), question, "--tokens", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["prompt"] == question and not found["notices"] and found["samples"][0]["tokens"] <= 5
    assert cli.status_of(["generate", str(tmp_path / "out"), question, "--tokens", "5"]) == 0
    assert not capsys.readouterr().out.startswith(question)


def test_check_counts_complains_and_shows_what_is_learned(
    base: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    found = check(data, base=base)
    assert found.examples.counts == {"conversation": len(ROWS) + 1, "text": 1}
    assert len(found.examples.complaints) == 1 and found.facts.too_long == 1
    learned = "".join(piece.text for piece in found.shown[0].pieces if piece.trained)
    assert learned.replace("␣", " ") == ROWS[0]["output"]
    assert cli.status_of(["data", "check", str(data), str(base)]) == 0
    said = capsys.readouterr().out
    assert f"{data.name}:27: not valid JSON" in said and "<|end|>" in said and "[" in said
    assert cli.status_of(["data", "check", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bad"] == 1
    assert cli.status_of(["data", "chek", str(data)]) == 2


def test_nothing_held_out_measures_what_is_trained_on(base: Path, data: Path, tmp_path: Path) -> None:
    list(sft(base, data, settings(sft={"held_out": 0.0}), tmp_path / "out"))
    report = storage.read_json(tmp_path / "out" / "report.json")
    losses = [look["loss"] for look in report["training"]["history"]]
    assert losses[0] > losses[-1] > 0 and report["validation"]["loss"] > 0 and report["held_out"] == 0


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[:1] * 9], ids=["one row", "one row nine times"])
def test_nothing_is_called_held_out_that_was_trained_on(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[dict[str, str]]
) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ["sft", str(base), str(path), "--out", str(tmp_path / "out"), "--train.steps", "1", "--train.threads", "1"]
    assert cli.status_of([*words, "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert "no example is held out" in said and "trained-on (none held out) answers" in said
    assert "held-out answers" not in said
    assert storage.read_json(tmp_path / "out" / "report.json")["held_out"] == 0


def test_what_the_file_made_necessary_is_said_before_training(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [
        {"role": role, "content": "去哪里？", "mood": "calm"} for role in ("assistant", "user", "user", "assistant")
    ]
    damaged = {"instruction": "谁\ud83d？", "output": "是我。\0"}
    path = tmp_path / "chat.jsonl"
    path.write_text(data.read_text("utf-8") + json.dumps({"messages": turns}) + "\n" + json.dumps(damaged), "utf-8")
    words = ["sft", str(base), str(path), "--out", str(tmp_path / "out"), "--train.steps", "1", "--train.threads", "1"]
    assert cli.status_of([*words, "--lang", "en"]) == 0
    said = capsys.readouterr().out
    before = said[: said.index("step 1")]
    for told in ("in a row are read as one", "the assistant opens", "“mood”", "U+FFFD", "NUL"):
        assert before.count(told) == 1
    report = storage.read_json(tmp_path / "out" / "report.json")
    assert len(report["data"]["notes"]) == 5 and report["held_out"] > 0
    assert cli.status_of(["data", "check", str(path), "--json", "--lang", "en"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == report["data"]["notes"]
    assert cli.status_of(["data", "check", str(path), "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert all(note in said for note in report["data"]["notes"])


def test_a_folder_that_failed_on_its_data_begins_anew_with_another_base(base: Path, data: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "甲"}', encoding="utf-8")
    other = tmp_path / "other"
    shutil.copytree(base, other)
    (other / "tokenizer" / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError):
        list(sft(other, bad, settings(), tmp_path / "out"))
    list(sft(base, data, settings(), tmp_path / "out"))
    assert (tmp_path / "out" / "tokenizer" / "card.json").read_bytes() == (
        base / "tokenizer" / "card.json"
    ).read_bytes()


def test_data_that_moved_is_the_same_data(base: Path, data: Path, tmp_path: Path) -> None:
    stops = iter([False, True])
    list(sft(base, data, settings(), tmp_path / "out", should_stop=lambda: next(stops, True)))
    moved = data.rename(tmp_path / "moved.jsonl")
    assert list(sft(base, moved, settings(), tmp_path / "out"))[-1].finished


def test_adapters_refuse_muon(base: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="AdamW"):
        list(sft(base, data, settings(lora={"rank": 2}, optimizer={"name": "muon"}), tmp_path / "out"))


def test_a_folder_that_is_moved_is_whole_by_itself(base: Path, data: Path, tmp_path: Path) -> None:
    list(sft(base, data, settings(), tmp_path / "out"))
    shutil.move(tmp_path / "out", tmp_path / "moved")
    model, tokenizer, _ = load_model(RunFolder(tmp_path / "moved"))
    assert model.settings.vocabulary == tokenizer.vocabulary
