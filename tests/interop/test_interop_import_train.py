"""An imported model is trained further: SFT with adapters, which goes on after a stop, then DPO and GRPO."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from import_helpers import CONFIGS, imported, write_model
from method_helpers import dpo, grpo, sft
from train_helpers import DOES, WHAT, WHERE, WHO, of_kind

import modou
from modou import storage
from modou.methods.sft import ROW, SftMethod
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model
from modou.settings.methods import DpoRun, GrpoRun, SftRun
from modou.train.events import Notice, Stepped

TALK = [(f"{who}{place}？", f"{does}{what}。") for who, place, does, what in zip(WHO, WHERE, DOES, WHAT, strict=True)]
SMALL: dict[str, dict[str, Any]] = {"train": {"batch": 4, "threads": 1}, "sampling": {"tokens": 6}}
LORA = SftRun().with_values(
    SMALL | {"lora": {"rank": 2}, "sft": {"epochs": 1.0, "packed": False}, "train": {"batch": 2, "threads": 1}}
)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    return write(tmp_path / "chat.jsonl", *({"instruction": q, "output": a} for q, a in TALK * 4))


@pytest.mark.parametrize("name", CONFIGS)
def test_adapters_marks_and_a_stop_on_the_way(name: str, tmp_path: Path, chat: Path) -> None:
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", name)
    base = imported(tmp_path / "model", tmp_path / "base")
    stops = iter([False, False])
    events = list(sft(base.path, chat, LORA, tmp_path / "out", should_stop=lambda: next(stops, True)))
    told = [event.text for event in of_kind(events, Notice)]
    assert any("nothing is replayed" in said or str(base.path) in said for said in told)
    assert of_kind(list(sft(base.path, chat, LORA, tmp_path / "out")), Stepped)
    list(sft(base.path, chat, LORA, tmp_path / "whole"))
    parts, whole = (load_model(RunFolder(tmp_path / folder)) for folder in ("out", "whole"))
    assert all(torch.equal(a, b) for a, b in zip(parts[0].parameters(), whole[0].parameters(), strict=True))
    report = storage.read_json(tmp_path / "out" / "report.json")
    assert len(report["data"]["marks_added"]) == 4 and "drift" not in report
    assert set(parts[1].controls) == {"system", "user", "assistant", "end"}
    assert modou.load(tmp_path / "out").chat([{"role": "user", "content": TALK[0][0]}], tokens=5) is not None
    pairs = write(tmp_path / "pairs.jsonl", *({"prompt": q, "chosen": a, "rejected": a[::-1]} for q, a in TALK))
    list(dpo(tmp_path / "out", pairs, DpoRun().with_values(SMALL), tmp_path / "dpo"))
    asked = write(tmp_path / "asked.jsonl", *({"question": q, "answer": f"#### {a}"} for q, a in TALK))
    rounds = {"rollout": {"rounds": 1, "prompts": 2, "group": 2, "tokens": 4, "held_out": 2}, "train": {"threads": 1}}
    list(grpo(tmp_path / "dpo", asked, GrpoRun().with_values(rounds), "exact", tmp_path / "grpo"))
    assert storage.read_json(tmp_path / "grpo" / "report.json")["run"]["finished"]


def test_rows_are_no_longer_than_conversations_need(tmp_path: Path, chat: Path) -> None:
    """The context of a published model may be tens of thousands: packed rows of that length fill no memory."""
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", "llama", max_position_embeddings=40_960)
    base = imported(tmp_path / "model", tmp_path / "base")
    assert Record[Any].read(base).model.context == 40_960
    list(sft(base.path, chat, LORA, tmp_path / "out"))
    record = Record[Any].read(RunFolder(tmp_path / "out"))
    method = SftMethod(RunFolder(tmp_path / "out"), record)
    packing = method._packed(record.settings.with_values({"sft": {"packed": True}}))
    assert packing.room == ROW and packing.rows_per_epoch == 1
