"""Every file of a run, damaged in every way, before every command: the same result, or it is told, or one line."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fault_walk
import pytest
import torch
from fault_walk import TUNED, give

from modou import storage
from modou.methods import evaluation, pretrain
from modou.pipeline import doctor, runner
from modou.report import figures
from modou.report.markup import Html
from modou.runs.seal import read_sealed_toml, write_sealed_toml

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs links and pipes")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tiny runs, without what takes long and no file decides: measuring the machine, drawing, waiting for disks."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODOU_LANG", "en")
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(figures, "_svg", lambda *_: Html(""))
        patch.setattr(evaluation, "WRITTEN", 20)
        for module in (runner, doctor, pretrain):
            patch.setattr(module, "matrix_rate", lambda *_, **__: 1e11)
        folder = tmp_path_factory.mktemp("faults")
        fault_walk.make(folder)
        yield folder
    torch.set_num_threads(threads)


def walked(folder: Path, command: str, part: slice = slice(None)) -> Counter[str]:
    """How many cases came to what; assures that all are the same, told or refused."""
    walk = fault_walk.Walk(folder, command)
    found = {case: walk.judge(case) for case in list(walk.cases())[part]}
    counts = Counter(outcome for outcome, _ in found.values())
    print(f"{command}: {sum(counts.values())} cases, {dict(counts)}")
    assert counts
    assert {case: came for case, came in found.items() if came[0] not in ("same", "told", "refused")} == {}
    return counts


@pytest.mark.parametrize("command", ["generate", "report", "doctor", "sft-generate"])
def test_some_faults(runs: Path, command: str) -> None:
    walked(runs, command, slice(None, None, 7))


def begun_from(run: Path, name: str, path: Path) -> None:
    """Puts another path into the record of a run."""
    tables: dict[str, Any] = read_sealed_toml(run / "settings.toml")
    tables["inputs"][name]["path"] = str(path)
    write_sealed_toml(run / "settings.toml", tables)


@pytest.mark.parametrize("length", [1, 2])
def test_a_ring_of_bases_ends(runs: Path, tmp_path: Path, length: int) -> None:
    ring = [Path(shutil.copytree(runs / "sft", tmp_path / f"run-{number}")) for number in range(length)]
    for number, run in enumerate(ring):
        begun_from(run, "base", ring[number - 1])
    pairs = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"{name}？", "chosen": f"{name}走了。", "rejected": "没有。"} for name in "甲乙丙丁戊己庚辛"]
    pairs.write_text("".join(storage.json_line(row) + "\n" for row in rows), encoding="utf-8")
    talk, run, out = str(runs / "talk.jsonl"), str(ring[0]), str(tmp_path / "out")
    for words in (["sft", run, talk, *TUNED, "--replay.rows", "2"], ["dpo", run, str(pairs), *TUNED]):
        said = give([*words, "--out", f"{out}-{words[0]}"])
        assert said.status == 0 and "the pretraining text of" in said.out
    assert give(["compare", talk, run, "--count", "2", "--tokens", "4"]).status == 0


@pytest.mark.parametrize("name", ["base", "sft"])
def test_figures_of_a_checkpoint_that_stood_in_name_its_step(runs: Path, tmp_path: Path, name: str) -> None:
    run = Path(shutil.copytree(runs / name, tmp_path / name))
    (run / "checkpoints" / "step-00000004" / "model.safetensors").unlink()
    said = give(["evaluate", str(run), "--json"])
    assert "the checkpoint of step 2 is used instead" in said.err
    assert json.loads(said.out)["evaluate"]["checkpoint"] == {"step": 2}
    assert give(["report", str(run)]).status == 0
    assert storage.read_json(run / "report.json")["checkpoint"] == {"step": 2}


def test_an_evaluation_that_fails_leaves_the_one_before(runs: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs / "base", tmp_path / "base"))
    (run / "corpus" / "cleaned.txt").write_text("", encoding="utf-8")
    before = (run / "stages" / "evaluate.json").read_bytes()
    assert give(["evaluate", str(run)]).status == 2
    assert (run / "stages" / "evaluate.json").read_bytes() == before


def test_examples_that_have_changed_are_told_where_they_are_measured_on(runs: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(runs / "sft", tmp_path / "sft"))
    talk = Path(shutil.copy(runs / "talk.jsonl", tmp_path / "talk.jsonl"))
    begun_from(run, "data", talk)
    assert "changed" not in give(["evaluate", str(run)]).err
    talk.write_text(talk.read_text(encoding="utf-8") + '{"instruction": "谁？", "output": "豆。"}\n', encoding="utf-8")
    for command in ("evaluate", "report"):
        said = give([command, str(run), "--json"])
        assert "talk.jsonl is not what this run was begun with" in said.err
        assert json.loads(said.out)["notices"] == [f"{talk} is not what this run was begun with (it has changed since)"]


def test_a_book_whose_name_is_not_utf8_is_named_once(runs: Path, tmp_path: Path) -> None:
    book = os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.txt")
    shutil.copy(runs / "book.txt", book)
    run = tmp_path / "run"
    assert give(["clean", book, "--out", str(run)]).status == 0
    (run / "corpus" / "cleaned.txt").unlink()
    said = give(["tokenizer", str(run)])
    assert said.status == 0 and "cleaned.txt is missing" in said.out


@pytest.mark.parametrize(
    "variables",
    [{"WORLD_SIZE": word} for word in ("word", "0", "2")] + [{"RANK": "x"}, {"RANK": "1"}, {"LOCAL_RANK": ""}],
)
def test_variables_that_torchrun_did_not_set(
    runs: Path, tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = give(["sft", str(runs / "base"), str(runs / "talk.jsonl"), "--out", str(tmp_path / "sft")])
    assert said.status == 2 and said.err.count("\n") == 1 and next(iter(variables)) in said.err


@pytest.mark.slow
@pytest.mark.parametrize("command", list(fault_walk.COMMANDS))
def test_no_fault_of_any_file_ends_in_silence_a_trace_or_a_hang(runs: Path, command: str) -> None:
    walked(runs, command)
