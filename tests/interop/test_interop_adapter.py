"""Low-rank adapters: peft puts them on the export of the base and computes what our model computes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from import_helpers import byte_level, write_model, write_tokenizer
from interop_helpers import LAYOUTS, exported, portable, small, token_ids, trained_tokenizer
from model_helpers import random_model
from session_helpers import make_runs

from modou.cli.main import status_of
from modou.interop.adapter import ADAPTER
from modou.interop.export import build, load_portable
from modou.interop.portable import LowRank
from modou.model.lora import AdaptedGPT, Adapters
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import load_model

peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

# peft's own call of transformers
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
LORA = ("--lora.rank", "3", "--lora.alpha", "5", "--train.batch", "4", "--train.threads", "1")


def adapted(layout: str, **changes: bool) -> AdaptedGPT:
    """A random model with adapters that matter."""
    base = random_model(small(layout, **changes))
    model = AdaptedGPT(base.settings, Adapters(rank=5, alpha=8.0)).eval()
    model.load_state_dict(base.state_dict(), strict=False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_b"):
                parameter.normal_(std=0.1)
    return model


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_logits_are_the_same(layout: str, tied: bool, tmp_path: Path) -> None:
    model = adapted(layout, tied=tied)
    base = exported(portable(layout, tied=tied, endless=False), tmp_path / "base")
    whole = replace(
        portable(layout, tied=tied, answers=True),
        weights={name: tensor.detach() for name, tensor in model.state_dict().items()},
        adapters=LowRank(str(base), *model.adapters),
    )
    build(tmp_path / "adapter", "adapter", lambda folder: ADAPTER.write(whole, folder, "f32"))
    theirs = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter").eval()
    ids_BT = token_ids(2, 40)
    assert (model(ids_BT) - theirs(ids_BT).logits).abs().max() < 1e-4
    with theirs.disable_adapter():
        assert (model(ids_BT) - theirs(ids_BT).logits).abs().max() > 0.1
    assert (theirs.merge_and_unload()(ids_BT).logits - model(ids_BT)).abs().max() < 1e-4
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "adapter")
    found = tokenizer.apply_chat_template([{"role": "user", "content": "豆"}], return_dict=True)["input_ids"]
    own = trained_tokenizer()
    assert found == [own.bos, own.controls["user"], *own.encode("豆"), own.end]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base`, `sft`, and `lora`, which has adapters."""
    folder = tmp_path_factory.mktemp("runs")
    make_runs(folder)
    words = ["sft", str(folder / "base"), str(folder / "chat.jsonl"), "--out", str(folder / "lora"), *LORA]
    assert status_of(words) == 0
    return folder


@torch.no_grad()
def test_a_run_is_exported_merged_or_as_an_adapter(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["base"], ["lora"], ["lora", "--adapter"]):
        assert status_of(["export", str(runs / words[0]), "--to", "hf", *words[1:]]) == 0
    assert "load it: peft.AutoPeftModelForCausalLM.from_pretrained(" in capsys.readouterr().out
    told = json.loads((runs / "lora-adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (told["r"], told["lora_alpha"]) == (3, 5.0)
    assert told["base_model_name_or_path"] == (runs / "base-hf").as_posix()
    ours, _, _ = load_model(RunFolder(runs / "lora"))
    ids_BT = token_ids(2, 30)
    on_base = peft.AutoPeftModelForCausalLM.from_pretrained(runs / "lora-adapter").eval()
    merged = transformers.AutoModelForCausalLM.from_pretrained(runs / "lora-hf").eval()
    for theirs in (on_base, merged):
        assert (ours(ids_BT) - theirs(ids_BT).logits).abs().max() < 1e-4
    assert load_portable(RunFolder(runs / "lora")).adapters is None
    code = (runs / "lora-adapter" / "README.md").read_text(encoding="utf-8").partition("```python\n")[2]
    exec(code.partition("```")[0].replace('path = "."', f"path = {str(runs / 'lora-adapter')!r}"), {})
    assert capsys.readouterr().out


def test_the_place_of_the_base_can_be_given(runs: Path, tmp_path: Path) -> None:
    words = ["export", str(runs / "lora"), "--to", "hf", "--adapter", "--base", "someone/base"]
    assert status_of([*words, "--out", str(tmp_path / "x")]) == 0
    told = json.loads((tmp_path / "x" / "adapter_config.json").read_text(encoding="utf-8"))
    assert told["base_model_name_or_path"] == "someone/base"
    card = (tmp_path / "x" / "README.md").read_text(encoding="utf-8")
    assert "library_name: peft" in card and 'from_pretrained("someone/base")' in card


def test_a_run_without_adapters_is_one_line(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("base", "sft"):
        assert status_of(["export", str(runs / name), "--to", "hf", "--adapter", "--out", str(tmp_path / "x")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "no low-rank adapters" in line
    assert not list(tmp_path.iterdir())


def test_a_base_that_changed_is_one_line(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "lora", tmp_path / "lora")
    run = RunFolder(tmp_path / "lora")
    record = Record[Any].read(run)
    other = record.inputs["base"].changed(sha256="0" * 64)
    replace(record, inputs={**record.inputs, "base": other}).write(run)
    assert status_of(["export", str(run.path), "--to", "hf", "--adapter"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was trained further" in line


@pytest.mark.parametrize(("name", "rows"), [("gpt2", 0), ("gpt2-untied", 0), ("qwen3", 480), ("llama", 0)])
def test_an_adapter_fits_the_model_that_was_imported(
    name: str, rows: int, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tokenizer lacks the marks of conversations, which SFT adds: in rows that were free, or in new ones."""
    write_tokenizer(tmp_path / "theirs", byte_level())
    write_model(tmp_path / "theirs", name, rows)
    assert status_of(["import", str(tmp_path / "theirs"), "--out", str(tmp_path / "base")]) == 0
    sft = ["sft", str(tmp_path / "base"), str(runs / "chat.jsonl"), "--out", str(tmp_path / "taught"), *LORA]
    assert status_of([*sft, "--train.steps", "3"]) == 0
    export = ["export", str(tmp_path / "taught"), "--to", "hf", "--adapter", "--base", str(tmp_path / "theirs")]
    assert status_of([*export, "--out", str(tmp_path / "adapter")]) == 0
    ours, own, _ = load_model(RunFolder(tmp_path / "taught"))
    with torch.no_grad():
        theirs = peft.AutoPeftModelForCausalLM.from_pretrained(tmp_path / "adapter").eval()
        marks = torch.tensor([[own.bos, *own.controls.values(), *own.encode("春天，小蜗牛")]])
        assert (ours(marks) - theirs(marks).logits).abs().max() < 1e-4
        base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "theirs")
        base.resize_token_embeddings(ours.settings.vocabulary, mean_resizing=False)
        assert (base(marks).logits - theirs(marks).logits).abs().max() > 1e-3, "the adapter changes something"
        capsys.readouterr()
        code = (
            (tmp_path / "adapter/README.md").read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
        )
        kept: dict[str, Any] = {}
        exec(code.replace('path = "."', f"path = {str(tmp_path / 'adapter')!r}"), kept)
        assert (ours(marks) - kept["model"](marks).logits).abs().max() < 1e-4
