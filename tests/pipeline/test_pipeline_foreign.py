"""A model with somebody else's tokenizer goes through every command: its text, its marks, its figures."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_helpers import state
from foreign_helpers import STORY, foreign
from method_helpers import begun, dpo, grpo, kto, ppo, pretrain, reward, sft
from train_helpers import DOES, WHAT, WHERE, WHO, sentences

from modou import storage
from modou.cli import main as cli
from modou.data.conversation import Message
from modou.generate.session import Session
from modou.messages import UserError
from modou.methods.likelihood import bits_per_character, characters_of_tokens
from modou.model.gpt import GPT
from modou.pipeline.score import score_file
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.weights import load_model, load_weights
from modou.settings.methods import DpoRun, GrpoRun, KtoRun, PpoRun, RewardRun, SftRun
from modou.settings.model import ModelSettings
from modou.settings.run import RunSettings
from modou.train.events import StageEnded

TALK = [(f"{who}{place}？", f"{does}{what}。") for who, place, does, what in zip(WHO, WHERE, DOES, WHAT, strict=True)]
SMALL: dict[str, dict[str, Any]] = {"train": {"batch": 4, "threads": 1}}
ROWS = 480
"""Of the model; some belong to no token."""


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with a text of its own, two runs of SFT from it, files of preferences and of questions."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "book.txt").write_text(sentences(110, 1), encoding="utf-8")
    run = RunFolder(folder / "base")
    list(pretrain(str(folder / "book.txt"), RunSettings(), run.path, until="clean"))
    tokenizer = foreign("qwen", rows=ROWS)
    tokenizer.save(run.tokenizer)
    shape = ModelSettings(vocabulary=ROWS, layers=2, width=16, heads=2, context=512)
    begun(run, shape)
    torch.manual_seed(1)
    said = state(1, tokenizer_sha256=tokenizer.sha256)
    checkpoints.save(run.checkpoints, 1, {"model": dict(GPT(shape).named_parameters())}, said, best=True)
    chat = write(folder / "chat.jsonl", *({"instruction": q, "output": a} for q, a in TALK * 2))
    for name, rank in (("sft", 0), ("lora", 2)):
        settings = SftRun().with_values(SMALL | {"lora": {"rank": rank}})
        list(sft(run.path, chat, settings, folder / name))
    write(folder / "pairs.jsonl", *({"prompt": q, "chosen": a, "rejected": a[::-1]} for q, a in TALK))
    write(folder / "questions.jsonl", *({"question": q, "answer": f"#### {a}"} for q, a in TALK))
    return folder


def test_a_base_continues_texts_with_its_own_tokens_only(folder: Path) -> None:
    session = Session.load(folder / "base")
    tokens = len(foreign("qwen").pieces())
    texts = [session.generate("第3天，", tokens=60, temperature=5.0, seed=seed) for seed in range(8)]
    assert len(set(texts)) == 8 and "<|" not in "".join(texts)
    assert session.tokenizer.unseen == set(range(tokens, ROWS))
    with pytest.raises(ValueError, match="only continues text"):
        session.chat([{"role": "user", "content": "谁？"}])


def test_scores_are_of_the_normalised_text_and_newlines_are_no_characters(folder: Path) -> None:
    session = Session.load(folder / "base")
    text = f"Cafe\u0301。\n\n{STORY[:300]}\ud800<think>"
    found, read = session.score(text), session.tokenizer.normalise(text)
    assert len(read) == len(text) - 1 and "Caf\u00e9" in read
    assert "".join(token.text for token in found) == read and found[-1].end == len(read)
    bits = bits_per_character(session.model, session.tokenizer, [text])
    assert bits.characters == len(read.replace("\n", ""))
    assert bits.bits == pytest.approx(-sum(token.log_probability for token in found) / math.log(2), rel=1e-9)
    lengths = characters_of_tokens(session.tokenizer)
    whole = {id: data.decode() for id, data in enumerate(session.tokenizer.piece_bytes) if max(data, default=0) < 0x80}
    assert all(lengths[id] == len(piece.replace("\n", "")) for id, piece in whole.items())
    assert any("\n" in piece and lengths[id] for id, piece in whole.items())


def test_a_file_is_scored_beside_n_grams_of_the_same_characters(folder: Path) -> None:
    (folder / "other.txt").write_text("Cafe\u0301 an der Mole,\n\ndie Schnecke kriecht.\n" * 30, encoding="utf-8")
    *_, last = score_file(RunFolder(folder / "base"), str(folder / "other.txt"))
    assert isinstance(last, StageEnded)
    found = last.numbers
    assert found["test"]["characters"] == len("Caf\u00e9 an der Mole,die Schnecke kriecht.") * 30
    assert found["test"]["newlines"] == 30 * 3 - 1 and found["advantage"]["kn5"]["interval"]


@pytest.mark.parametrize("name", ["sft", "lora"])
def test_marks_take_rows_without_a_token(folder: Path, name: str) -> None:
    report = storage.read_json(folder / name / "report.json")
    assert len(report["data"]["marks_added"]) == 4 and not report["data"]["bad"]
    model, tokenizer, _ = load_model(RunFolder(folder / name))
    tokens = len(foreign("qwen").pieces())
    assert model.settings.vocabulary == tokenizer.vocabulary == ROWS
    assert list(tokenizer.controls.values()) == list(range(tokens, tokens + 4))
    assert tokenizer.end not in tokenizer.unseen, "it was trained"
    larger, _, _ = load_weights(RunFolder(folder / "base"), extend=True)
    own = load_weights(RunFolder(folder / "base"))[0].embedding.weight
    assert torch.equal(larger.embedding.weight[:tokens], own[:tokens])
    marks_VD = larger.embedding.weight[tokens : tokens + 4]
    assert len({tuple(row.tolist()) for row in marks_VD}) == 4, "adapters could not tell equal ones apart"
    session = Session.load(folder / name)
    answer = session.chat([{"role": "user", "content": "谁<|end|>？"}], tokens=20)
    assert "<|" not in answer
    assert session.template is not None
    prompt = session.template.prompt([Message("user", "谁<|end|><|assistant|>？")])
    assert [id for id in prompt if tokenizer.is_control(id)] == [
        tokenizer.bos, tokenizer.controls["user"], tokenizer.end, tokenizer.assistant,
    ]  # fmt: skip


def test_what_follows_takes_it_like_any_other(folder: Path, tmp_path: Path) -> None:
    base, pairs, questions = folder / "sft", folder / "pairs.jsonl", folder / "questions.jsonl"
    list(reward(base, pairs, RewardRun().with_values(SMALL), tmp_path / "judge"))
    judge, few = str(tmp_path / "judge"), {"rounds": 1, "prompts": 2, "group": 2, "tokens": 6, "held_out": 2}
    rounds = {"train": {"threads": 1}, "rollout": few}
    ends = [
        list(dpo(base, pairs, DpoRun().with_values(SMALL), tmp_path / "dpo"))[-1],
        list(kto(base, pairs, KtoRun().with_values(SMALL), tmp_path / "kto"))[-1],
        list(grpo(base, questions, GrpoRun().with_values(rounds), judge, tmp_path / "grpo"))[-1],
        list(ppo(base, questions, PpoRun().with_values(rounds), judge, tmp_path / "ppo"))[-1],
    ]
    assert all(end.finished for end in ends)
    for name in ("judge", "dpo", "kto", "grpo", "ppo"):
        files = {path.name: path.read_bytes() for path in (tmp_path / name / "tokenizer").iterdir()}
        assert files == {path.name: path.read_bytes() for path in (base / "tokenizer").iterdir()}


def test_preferences_need_the_marks_first(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="modou sft"):
        list(dpo(folder / "base", folder / "pairs.jsonl", DpoRun().with_values(SMALL), tmp_path / "refused"))


@pytest.mark.parametrize("name", ["tokenizer.json", "special.json"])
def test_a_file_that_was_changed_is_noticed(folder: Path, tmp_path: Path, name: str) -> None:
    for path in (folder / "base").rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(folder / "base")).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(folder / "base")).write_bytes(path.read_bytes())
    file = tmp_path / "tokenizer" / name
    file.write_bytes(file.read_bytes().replace(b'"unk": null', b'"unk": 1').replace(b'": "1.0"', b'":"1.0"'))
    with pytest.raises(UserError, match="not the one this model was trained with"):
        load_model(RunFolder(tmp_path))


def test_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.status_of(["generate", str(folder / "sft"), TALK[0][0], "--tokens", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"][0]["tokens"] <= 5
    assert cli.status_of(["data", "check", str(folder / "chat.jsonl"), str(folder / "base")]) == 0
    assert (
        cli.status_of(
            ["compare", str(folder / "chat.jsonl"), str(folder / "base"), str(folder / "sft"), "--count", "2"]
        )
        == 0
    )
    for target in ("gguf", "ctranslate2"):
        assert cli.status_of(["export", str(folder / "sft"), "--to", target, "--out", str(folder / target)]) == 0


def test_the_hash_is_that_of_the_files(folder: Path) -> None:
    files = [folder / "base" / "tokenizer" / name for name in ("tokenizer.json", "special.json")]
    whole = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    assert load_model(RunFolder(folder / "base"))[1].sha256 == whole
