"""`modou import` of models that transformers made: the same numbers and texts, and what commands make of the run."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from import_helpers import CONFIGS, END, command, imported, write_model
from safetensors.torch import load_file, save_file
from train_helpers import sentences
from transformers import AutoTokenizer

import modou
from modou import storage
from modou.interop import importing
from modou.messages import UserError
from modou.pipeline.doctor import examine
from modou.pipeline.score import score_file
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model, load_weights
from modou.train.events import StageEnded

PROMPT = "老船工 借走 a silver spoon"


def fresh(folder: Path, name: str, **options: Any) -> tuple[RunFolder, Any]:
    """A run imported from a new random model, and that model."""
    (folder / "model").mkdir()
    theirs = write_model(folder / "model", name, **options)
    return imported(folder / "model", folder / "run"), theirs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh(tmp_path_factory.mktemp("run"), "gpt2")[0].path


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_logits_and_greedy_texts_are_those_of_transformers(name: str, dtype: torch.dtype, tmp_path: Path) -> None:
    run, theirs = fresh(tmp_path, name, dtype=dtype)
    ours, tokenizer, _ = load_model(run)
    assert ours.settings.vocabulary == tokenizer.vocabulary == theirs.config.vocab_size
    ids = torch.randint(tokenizer.vocabulary, (2, 100), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert (ours(ids) - theirs(ids).logits).abs().max() <= 1e-4
        start = AutoTokenizer.from_pretrained(tmp_path / "model")(PROMPT, return_tensors="pt")["input_ids"]
        written = theirs.generate(start, max_new_tokens=30, do_sample=False, pad_token_id=0)[0, start.shape[1] :]
    assert modou.load(run.path).generate(PROMPT, tokens=30, temperature=0) == tokenizer.decode(written.tolist())


def test_a_prompt_begins_with_bos_where_the_tokenizer_says_so(tmp_path: Path) -> None:
    run, _ = fresh(tmp_path, "llama")
    path = tmp_path / "model" / "tokenizer.json"
    first = {"SpecialToken": {"id": END, "type_id": 0}}
    template = {
        "type": "TemplateProcessing",
        "single": [first, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [first, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {END: {"id": END, "ids": [0], "tokens": [END]}},
    }
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"post_processor": template}), encoding="utf-8")
    other = imported(tmp_path / "model", tmp_path / "other")
    ids = load_model(run)[1].encode(PROMPT)
    for folder, start in ((run, ids), (other, [0, *ids])):
        written = modou.load(folder.path)
        assert written.generate(PROMPT, tokens=9, seed=2) == written.generate(start, tokens=9, seed=2)


def test_shards_are_read_as_one_file_is(tmp_path: Path) -> None:
    run, theirs = fresh(tmp_path, "qwen3", max_shard_size="20KB")
    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 2
    ids = torch.arange(50)[None]
    with torch.inference_mode():
        assert (load_model(run)[0](ids) - theirs(ids).logits).abs().max() <= 1e-4


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_shorter_context(name: str, tmp_path: Path) -> None:
    whole, _ = fresh(tmp_path, name)
    short = imported(tmp_path / "model", tmp_path / "short", context=48)
    ids = torch.randint(300, (1, 48))
    with torch.inference_mode():
        assert torch.equal(load_weights(short)[0](ids), load_weights(whole)[0](ids))
    assert Record[Any].read(short).model.context == 48
    with pytest.raises(UserError, match="128"):
        imported(tmp_path / "model", tmp_path / "long", context=129)
    assert not (tmp_path / "long").exists()


def test_rows_without_a_token_stay_and_are_never_written(tmp_path: Path) -> None:
    run, _ = fresh(tmp_path, "qwen3", rows=460)
    model, tokenizer, _ = load_model(run)
    assert model.settings.vocabulary == tokenizer.vocabulary == 460
    assert tokenizer.unseen == set(range(400, 460))


def test_names_without_a_prefix_and_buffers_as_in_old_files(tmp_path: Path) -> None:
    run, _ = fresh(tmp_path, "gpt2")
    path = tmp_path / "model" / "model.safetensors"
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}
    tensors |= {"h.0.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.bool), "h.1.attn.masked_bias": torch.tensor(-1e4)}
    save_file(tensors, path)
    old = imported(tmp_path / "model", tmp_path / "old")
    was, now = (load_weights(one)[0].state_dict() for one in (run, old))
    assert all(torch.equal(tensor, was[name]) for name, tensor in now.items())


def test_what_was_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", "llama", dtype=torch.bfloat16)
    card = "---\nlanguage: zh\nlicense: 'bsd-3-clause'\ntags:\n- license: none\n---\n# license: other\n"
    (tmp_path / "model" / "README.md").write_text(card, encoding="utf-8")
    assert command("import", tmp_path / "model", "--out", tmp_path / "run") == 0
    said = capsys.readouterr().out
    assert "llama" in said and "BF16" in said and "licence bsd-3-clause" in said and "modou sft" in said
    assert command("import", tmp_path / "model", "--out", tmp_path / "again", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == {"folder": str(tmp_path / "again"), "finished": True}
    weights = load_weights(RunFolder(tmp_path / "again"))[0].state_dict()
    assert found["data"] == {
        "source": str(tmp_path / "model"),
        "layout": "llama",
        "parameters": sum(tensor.numel() for tensor in weights.values()),
        "dtypes": ["BF16"],
        "vocabulary": 400,
        "context": 128,
        "answers": False,
        "licence": "bsd-3-clause",
    }


def test_the_record_knows_where_the_model_came_from(tmp_path: Path) -> None:
    run, _ = fresh(tmp_path, "gpt2")
    record = Record[Any].read(run)
    source = record.inputs["source"]
    assert source.path == str(tmp_path / "model") and not record.answers
    assert source.sha256 == storage.sha256_file(tmp_path / "model" / "model.safetensors")


def test_repeated_it_changes_nothing_and_mends_what_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = fresh(tmp_path, "gpt2")
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert command("import", tmp_path / "model", "--out", run.path) == 0
    assert "already" in capsys.readouterr().out
    (run.tokenizer / "special.json").write_bytes(b"{}")
    assert command("generate", run.path, "x", "--tokens", "2") == 2
    assert command("import", tmp_path / "model", "--out", run.path) == 0
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == files
    (run.stages / "data.json").unlink()
    assert command("import", tmp_path / "model", "--out", run.path) == 0
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == files
    assert command("import", tmp_path / "model", "--out", run.path, "--context", "32") == 2
    assert "--model.context 128 → 32" in capsys.readouterr().err
    (tmp_path / "model" / "x").mkdir()
    assert command("import", tmp_path / "model", "--out", tmp_path / "model") == 2


def test_no_half_of_a_run_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", "gpt2")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "save", full)
    with pytest.raises(UserError, match="disk is full"):
        imported(tmp_path / "model", tmp_path / "runs" / "run")
    assert list((tmp_path / "runs").iterdir()) == []
    monkeypatch.setattr(importing, "memory_gb", lambda: 0.0001)
    with pytest.raises(UserError, match="GB of memory"):
        imported(tmp_path / "model", tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # pyright: ignore
    with pytest.raises(UserError, match="GB left"):
        imported(tmp_path / "model", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_any_text_is_measured_without_the_text_of_the_training(run: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text(sentences(8, 3), encoding="utf-8")
    *_, ended = score_file(RunFolder(run), str(text))
    assert isinstance(ended, StageEnded)
    numbers = ended.numbers
    assert numbers["test"]["bits_per_char"] > 0 and numbers["baselines"] == numbers["advantage"] == {}
    assert command("evaluate", run, "--text", text) == 0


@pytest.mark.parametrize("words", [["evaluate"], ["report"]], ids=" ".join)
def test_what_needs_a_training_says_what_to_do_instead(
    words: list[str], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*words, run) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"modou evaluate {run} --text FILE" in said and f"modou sft {run}" in said
    with pytest.raises(UserError, match="imported"):
        modou.load(run).evaluate()


@pytest.mark.parametrize("words", [["run", "--out"], ["tokenizer"], ["pretrain"]], ids=" ".join)
def test_it_is_not_trained_on_in_place(words: list[str], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "settings.toml").read_bytes()
    assert command(*words, run) == 2
    assert capsys.readouterr().err.count("\n") == 1 and (run / "settings.toml").read_bytes() == before


def test_its_files_are_verified(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    found = examine(RunFolder(run))
    assert found.whole and found.stages == {"data": "whole"} and found.checkpoints == {"step-00000000": "whole"}
    assert found.works == {"generate": True, "evaluate": True, "resume": False}
    (tmp_path / "run" / "tokenizer" / "special.json").unlink()
    assert not examine(RunFolder(tmp_path / "run")).whole


def test_a_base_model_holds_no_conversation(run: Path) -> None:
    with pytest.raises(UserError, match="modou sft"):
        modou.load(run).chat([{"role": "user", "content": "谁？"}])
