"""The run folder: made, refused, locked, and a model read back from it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoint_helpers import state
from crash_helpers import Child
from method_helpers import begun

from modou.messages import UserError
from modou.model.gpt import GPT
from modou.runs import checkpoints
from modou.runs.folder import RunFolder, find_checkpoint
from modou.runs.weights import load_model
from modou.settings.model import ModelSettings
from modou.settings.text import TokenizerSettings
from modou.tokenizer.sentencepiece import SentencePieceTokenizer
from modou.tokenizer.tokenizer import Tokenizer

SHAPE = ModelSettings(vocabulary=300, layers=1, width=16, heads=2, context=8)


def begin(path: Path, shape: ModelSettings = SHAPE) -> RunFolder:
    run = RunFolder(path)
    run.create()
    begun(run, shape)
    return run


def test_create_and_settings(tmp_path: Path) -> None:
    run = begin(tmp_path / "runs" / "我的小说")
    assert run.exists() and run.read_settings()["model"] == SHAPE.model_dump()
    run.create()  # a run that is there is no error
    (run.path / "notes.txt").write_text("mine", encoding="utf-8")
    run.create()
    assert sorted(item.name for item in run.path.iterdir()) == ["notes.txt", "settings.toml"]


def test_create_refuses_a_file_and_a_foreign_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="is a file"):
        RunFolder(tmp_path / "file").create()
    with pytest.raises(UserError, match="could not be read or written"):
        RunFolder(tmp_path / "file" / "below").create()
    for name in "abcd":
        (tmp_path / "other" / name).mkdir(parents=True)
    with pytest.raises(UserError, match=r"other files \(a, b, c …\)"):
        RunFolder(tmp_path / "other").create()
    for name in ("corpus", "tokenizer", ".lock", ".DS_Store"):
        (tmp_path / "begun" / name).mkdir(parents=True)
    RunFolder(tmp_path / "begun").create()  # left by a run that died before it wrote its settings


def test_no_run(tmp_path: Path) -> None:
    for use in (RunFolder.read_settings, find_checkpoint, load_model):
        with pytest.raises(UserError, match="not a run folder"):
            use(RunFolder(tmp_path / "none"))
    run = begin(tmp_path / "new")
    with pytest.raises(UserError, match="no checkpoint in"):
        load_model(run)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    run = begin(tmp_path)
    refused = pytest.raises(UserError, match=r"another process \(pid \d+, \d{4}-")
    with run.lock(), refused, RunFolder(tmp_path).lock():
        pass
    with run.lock():  # free again, also after an error inside
        pass
    with pytest.raises(ZeroDivisionError), run.lock():
        raise ZeroDivisionError
    with run.lock():
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    run = begin(tmp_path)

    def work(say: Callable[[str], None]) -> None:
        with RunFolder(tmp_path).lock():
            say("held")
            while True:
                torch.randn(10)

    with Child(work) as child:
        child.wait_for_line()
        with pytest.raises(UserError, match=f"pid {child.pid}"), run.lock():
            pass
        child.kill()
        with run.lock():
            pass


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    text = "小船过了石桥，灯笼还亮着。\n老人问：你从哪里来？\n孩子笑了笑，没有说话。\n"
    return SentencePieceTokenizer.train([text * 20], TokenizerSettings(vocabulary=320, threads=1))


def trained(folder: Path, tokenizer: Tokenizer, **shape: object) -> tuple[RunFolder, dict[int, GPT]]:
    """A run with checkpoints of steps 1, 2 (best) and 3, and their models."""
    settings = SHAPE.changed(vocabulary=tokenizer.vocabulary, **shape)
    run = begin(folder, settings)
    tokenizer.save(run.tokenizer)
    models = {step: GPT(settings) for step in (1, 2, 3)}
    for step, model in models.items():
        groups = {"model": model.state_dict(), "ema": {n: t * 2 for n, t in model.state_dict().items()}}
        said = {"tokenizer_sha256": tokenizer.sha256, "weights": "ema" if step == 1 else "model"}
        checkpoints.save(run.checkpoints, step, groups, state(step, min(step, 2), **said), keep=3, best=step == 2)
    return run, models


def same(a: GPT, b: GPT, factor: float = 1.0) -> bool:
    other = b.state_dict()
    return all(torch.equal(tensor, other[name] * factor) for name, tensor in a.state_dict().items())


@pytest.mark.parametrize("tied", [True, False])
def test_load_model(tmp_path: Path, tokenizer: Tokenizer, tied: bool) -> None:
    run, models = trained(tmp_path, tokenizer, tied=tied)
    model, loaded, step = load_model(run)
    assert step == 2 and same(model, models[2]) and not model.training
    assert loaded.sha256 == tokenizer.sha256
    model, _, step = load_model(run, "latest")
    assert step == 3 and same(model, models[3])
    model, _, step = load_model(run, 1)  # its state names the averaged weights
    assert step == 1 and same(model, models[1], 2.0)
    with pytest.raises(UserError, match="no checkpoint of step 9: available steps are 1, 2, 3"):
        load_model(run, 9)


def test_load_model_refuses_a_damaged_step(tmp_path: Path, tokenizer: Tokenizer) -> None:
    run, _ = trained(tmp_path, tokenizer)
    (run.checkpoints / "step-00000003" / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="wrong size"):
        load_model(run, 3)
    assert load_model(run, "latest")[2] == 2
    assert [problem.file for problem in find_checkpoint(run, "latest").problems] == ["model.safetensors"]


def test_load_model_refuses_another_shape(tmp_path: Path, tokenizer: Tokenizer) -> None:
    run, models = trained(tmp_path, tokenizer)
    shape = models[1].settings
    for change, word in (
        ({"layers": 2}, "- blocks.1."),
        ({"width": 32}, "≠"),
        ({"tied": False}, "- head.weight"),
    ):
        begun(run, shape.changed(**change))
        with pytest.raises(UserError) as error:
            load_model(run)
        assert word in str(error.value)
    checkpoints.save(run.checkpoints, 4, {"model": {}}, state(4, tokenizer_sha256=tokenizer.sha256), best=True)
    with pytest.raises(UserError, match="weights in"):
        load_model(run)


def test_load_model_refuses_another_tokenizer(tmp_path: Path, tokenizer: Tokenizer) -> None:
    run, _ = trained(tmp_path, tokenizer)
    other = SentencePieceTokenizer.train(
        ["雨停了，路上还是湿的。\n" * 30], TokenizerSettings(vocabulary=300, threads=1)
    )
    other.save(run.tokenizer)
    with pytest.raises(UserError, match="not the one this model was trained with"):
        load_model(run)
