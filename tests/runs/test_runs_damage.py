"""A damaged or hostile run folder: what is used instead is told, what cannot be used is refused in one line."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_helpers import state
from method_helpers import begun

from modou import storage
from modou.messages import UserError
from modou.model.gpt import GPT
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.progress import Progress
from modou.runs.state import CheckpointState
from modou.runs.weights import load_model
from modou.settings.model import ModelSettings
from modou.settings.text import TokenizerSettings
from modou.tokenizer.sentencepiece import SentencePieceTokenizer

FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "manifest.json")
STEP = "step-00000002"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of steps 1, 2 (the best) and 3."""
    folder = tmp_path_factory.mktemp("run")
    tokenizer = SentencePieceTokenizer.train(
        ["小船过了石桥，灯笼还亮着。\n" * 20], TokenizerSettings(vocabulary=300, threads=1)
    )
    run = RunFolder(folder)
    shape = ModelSettings(vocabulary=tokenizer.vocabulary, layers=1, width=16, heads=2, context=8)
    begun(run, shape)
    tokenizer.save(run.tokenizer)
    for step in (1, 2, 3):
        groups = {"model": GPT(shape).state_dict(), "optimizer": {"a": torch.ones(50)}, "ema": {"a": torch.ones(2)}}
        said = state(step, min(step, 2), tokenizer_sha256=tokenizer.sha256)
        checkpoints.save(run.checkpoints, step, groups, said, keep=3, best=step == 2)
    return folder


@pytest.fixture
def damaged(whole: Path, tmp_path: Path) -> RunFolder:
    """A copy to damage."""
    return RunFolder(Path(shutil.copytree(whole, tmp_path / "damaged")))


def forge(checkpoint: Path, **content: bytes) -> None:
    """Files of a checkpoint replaced, and a manifest that fits."""
    for name, data in content.items():
        (checkpoint / name.replace("__", ".")).write_bytes(data)
    files = {
        path.name: {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in checkpoint.iterdir()
        if path.name != "manifest.json"
    }
    (checkpoint / "manifest.json").write_text(json.dumps({"format": 1, "files": files}), encoding="utf-8")


def test_nothing_is_told_of_a_whole_run(damaged: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    assert load_model(damaged)[2] == 2 and load_model(damaged, "latest")[2] == 3
    assert caplog.messages == []


@pytest.mark.parametrize("place", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_of_the_best_is_told(
    damaged: RunFolder, caplog: pytest.LogCaptureFixture, file: str, place: float
) -> None:
    path = damaged.checkpoints / STEP / file
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)
    assert load_model(damaged)[2] == 3
    (notice,) = caplog.messages
    assert STEP in notice and "the checkpoint of step 3 is used instead" in notice
    with pytest.raises(UserError, match=STEP):
        load_model(damaged, 2)


def replaced_by(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def linked_to(target: str) -> Callable[[Path], None]:
    def link(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return link


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


POINTERS: dict[str, Callable[[Path], None]] = {
    "gone": Path.unlink,
    "older": replaced_by(b"step-00000001\n"),
    "newer": replaced_by(b"step-00000003\n"),
    "a step that is not there": replaced_by(b"step-00000099\n"),
    "no step": replaced_by(b"\xff\xfe"),
    "outside": replaced_by(b"../../step-00000001\n"),
    "empty": replaced_by(b""),
    "long": lambda path: os.truncate(path, 10**12),
    "endless": linked_to("/dev/zero"),
    "dangling": linked_to("nowhere"),
    "a folder": a_folder,
    "a pipe": a_pipe,
}


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
@pytest.mark.parametrize("how", POINTERS)
def test_a_pointer_that_contradicts_the_training_is_told(
    damaged: RunFolder, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    POINTERS[how](damaged.checkpoints / "best")
    assert load_model(damaged)[2] == 2, "the state of the newest checkpoint knows the best"
    (notice,) = caplog.messages
    assert "the checkpoint of step 2 is used instead" in notice


def test_the_best_survives_a_save_after_its_pointer_was_lost(damaged: RunFolder) -> None:
    (damaged.checkpoints / "best").unlink()
    groups, _ = checkpoints.load(damaged.checkpoints / "step-00000003")
    checkpoints.save(damaged.checkpoints, 4, groups, state(4, 2), keep=1)
    assert checkpoints.steps(damaged.checkpoints) == [2, 4]


PROGRESS = Progress(planned=9, steps=9, step=2, best=1.0, best_step=2).to_json()
STATES: dict[str, Any] = {
    "a list": [],
    "a word": "state",
    "nothing": {},
    "null": None,
    "no progress": {"tokenizer_sha256": "a", "weights": "model"},
    "another key": {"progress": PROGRESS, "weights": "model", "evil": 1},
    "another counter": {"progress": {**PROGRESS, "evil": 1}, "weights": "model"},
    "a word for a number": {"progress": {**PROGRESS, "step": "x"}, "weights": "model"},
    "a number in a word": {"progress": {**PROGRESS, "step": "2"}, "weights": "model"},
    "true for a number": {"progress": {**PROGRESS, "step": True}, "weights": "model"},
    "a negative number": {"progress": {**PROGRESS, "tokens": -1}, "weights": "model"},
    "an absurd number": {"progress": {**PROGRESS, "planned": 10**40}, "weights": "model"},
    "a fraction": {"progress": {**PROGRESS, "step": 1.5}, "weights": "model"},
    "contradicting": {"progress": {**PROGRESS, "best_step": 7}, "weights": "model"},
    "a list for counters": {"progress": [1, 2], "weights": "model"},
    "a path for weights": {"progress": PROGRESS, "weights": "../../model"},
    "a number for weights": {"progress": PROGRESS, "weights": 3},
    "a list for a hash": {"progress": PROGRESS, "weights": "model", "tokenizer_sha256": []},
    "a word for logs": {"progress": PROGRESS, "weights": "model", "logs": "x"},
    "a log without a size": {"progress": PROGRESS, "weights": "model", "logs": {"metrics.jsonl": {"sha256": ""}}},
}
TEXTS = {
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep, closed late": b'{"progress": ' + b'{"a":' * 400 + b"1" + b"}" * 401,
    "digits": b'{"progress": ' + b"9" * 10_000 + b"}",
    "infinite": b'{"progress": {"planned": 1e999}}',
    "no JSON": b"weights: model",
    "no UTF-8": b'{"\xff": 1}',
}


@pytest.mark.parametrize("how", [*STATES, *TEXTS])
def test_a_state_of_another_form_is_refused(damaged: RunFolder, how: str) -> None:
    content = TEXTS[how] if how in TEXTS else json.dumps(STATES[how]).encode()
    for step in (1, 2, 3):
        forge(damaged.checkpoints / checkpoints.folder_name(step), state__json=content)
    for which in ("best", "latest", 1):
        with pytest.raises(UserError, match=r"is damaged: state\.json does not have the expected form"):
            load_model(damaged, which)


def test_a_state_comes_back_as_it_was() -> None:
    whole = CheckpointState.from_json(state(5, 3, corpus_sha256="c", objective={"round": 2, "facts": {"a": [1.5]}}))
    assert CheckpointState.from_json(whole.to_json()) == whole
    assert whole.hashes == {"corpus_sha256": "c"} and whole.progress.best_step == 3


MANIFESTS: dict[str, str] = {
    "an infinite size": '{"format": 1, "files": {"state.json": {"size": 1e999, "sha256": "HASH"}}}',
    "a negative size": '{"format": 1, "files": {"state.json": {"size": -1, "sha256": "HASH"}}}',
    "a size in a word": '{"format": 1, "files": {"state.json": {"size": "5", "sha256": "HASH"}}}',
    "a size of a terabyte": '{"format": 1, "files": {"state.json": {"size": 1099511627776, "sha256": "HASH"}}}',
    "a size of many digits": f'{{"format": 1, "files": {{"state.json": {{"size": {"9" * 5000}, "sha256": "HASH"}}}}}}',
    "a list of files": '{"format": 1, "files": ["state.json"]}',
    "a number for a file": '{"format": 1, "files": {"state.json": 5}}',
    "no hash": '{"format": 1, "files": {"state.json": {"size": 5}}}',
    "a hash that is none": '{"format": 1, "files": {"state.json": {"size": 5, "sha256": "x"}}}',
    "a list": "[]",
    "deep": "[" * 100_000,
    "deep, of the right form": '{"format": 1, "files": ' + '{"a":' * 5000 + "1" + "}" * 5001,
    "empty": "",
    "true for a format": '{"format": true, "files": {}}',
}


@pytest.mark.parametrize("how", MANIFESTS)
def test_a_manifest_of_another_form_is_a_problem(damaged: RunFolder, how: str) -> None:
    path = damaged.checkpoints / STEP
    (path / "manifest.json").write_text(MANIFESTS[how].replace("HASH", "0" * 64), encoding="utf-8")
    problem = checkpoints.verify(path)
    assert problem is not None and (problem.key, problem.file) == ("storage.manifest_bad", "manifest.json")


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")
@pytest.mark.parametrize("how", ["/dev/zero", "pipe", "long"])
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_never_ends_is_a_problem(damaged: RunFolder, file: str, how: str) -> None:
    path = damaged.checkpoints / STEP / file
    if how == "long":
        os.truncate(path, 2**40)
    else:
        path.unlink()
        os.mkfifo(path) if how == "pipe" else path.symlink_to(how)
    problem = checkpoints.verify(path.parent)
    assert problem is not None and problem.file == file


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(damaged: RunFolder, value: float) -> None:
    path = damaged.checkpoints / STEP
    groups, said = checkpoints.load(path)
    name = sorted(groups["model"])[-1]
    groups["model"][name].view(-1)[-1] = value
    shutil.rmtree(path)
    checkpoints.save(damaged.checkpoints, 2, groups, said, keep=9, best=True)
    with pytest.raises(UserError, match=f"the weights of step 2 contain NaN or infinity \\({name}"):
        load_model(damaged)
    assert load_model(damaged, "latest")[2] == 3
    groups["model"][name].zero_()
    groups["optimizer"]["a"][0] = value  # nobody writes with it
    shutil.rmtree(path)
    checkpoints.save(damaged.checkpoints, 2, groups, said, keep=9, best=True)
    assert load_model(damaged)[2] == 2


def test_a_tensor_file_that_is_none(damaged: RunFolder) -> None:
    for content in (b"", b"\xff" * 64, (2**60).to_bytes(8, "little") + b"{}", b"\x02\0\0\0\0\0\0\0[]"):
        forge(damaged.checkpoints / STEP, model__safetensors=content)
        with pytest.raises(UserError, match=STEP):
            load_model(damaged)


def test_another_version_says_so(damaged: RunFolder) -> None:
    content = storage.json_text({"format": 9, "anything": []}).encode()
    forge(damaged.checkpoints / STEP, state__json=content)
    with pytest.raises(UserError, match="written by another version"):
        load_model(damaged, 2)


@pytest.mark.skipif(os.name == "nt", reason="needs names that are no text")
def test_a_run_whose_name_is_not_utf8(damaged: RunFolder, tmp_path: Path) -> None:
    there = Path(os.fsdecode(os.fsencode(tmp_path) + b"/run\xff"))
    damaged.path.rename(there)
    one, other = (load_model(RunFolder(path), 2)[0] for path in (there, there))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_a_notice_reaches_a_program_through_logging(damaged: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    (damaged.checkpoints / "best").unlink()
    load_model(damaged)
    assert [(record.name, record.levelno) for record in caplog.records] == [("modou", logging.WARNING)]
