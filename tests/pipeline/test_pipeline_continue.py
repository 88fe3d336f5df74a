"""`modou run BOOK --base RUN`: a trained model goes on with another book; all weights, adapters, what is refused."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_helpers import state
from method_helpers import begun, pretrain, sft
from train_helpers import DOES, WHAT, WHERE, WHO, assert_same_run, of_kind, sentences, tensors

from modou import storage
from modou.cli.main import status_of
from modou.messages import UserError
from modou.methods.base import pretraining_text
from modou.model.gpt import GPT
from modou.pipeline.beginning import default_folder
from modou.pipeline.copying import sources_of
from modou.pipeline.inputs import book_source, run_source
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.record import Record, pretraining_run
from modou.runs.stages import remedy
from modou.runs.weights import load_model, load_tokenizer
from modou.settings.methods import SftRun
from modou.settings.model import ModelSettings
from modou.settings.run import RunSettings
from modou.train.events import Notice, RunEnded, StageName
from tests.foreign_helpers import foreign

SHAPE = {"layers": 2, "width": 32, "heads": 2, "context": 48}
TRAIN = {"steps": 30, "batch": 8, "evaluate_every": 15, "threads": 1, "precision": "float32"}
MEASURED = {"quick_characters": 400, "written_characters": 500}
TALL = ("锅炉房", "守夜人", "the tram", "a lantern", "钟楼", "Old Peg")


def tales(count: int, seed: int) -> str:
    """Another book than that of the base: the same words in another order, and some of its own."""
    dice = random.Random(seed)
    return "\n".join(
        f"{dice.choice(TALL)}{dice.choice(WHERE)} {dice.choice(WHAT)}，{dice.choice(WHO)} {dice.choice(DOES)}！"
        for _ in range(count)
    )


def settings(**groups: dict[str, Any]) -> RunSettings:
    return RunSettings.parse({"train": TRAIN, "evaluate": MEASURED}).with_values(groups)


def teach(book: Path, base: Path, out: Path, until: StageName = "report", **groups: dict[str, Any]) -> list[Any]:
    return list(pretrain(str(book), settings(**groups), out, until=until, given={"base": run_source(base)}))


def report(run: Path) -> dict[str, Any]:
    return storage.read_json(run / "report.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, another book, and two runs that were taught it: all weights, and adapters."""
    folder = tmp_path_factory.mktemp("continue")
    (folder / "first.txt").write_text(sentences(260, 1), encoding="utf-8")
    (folder / "book.txt").write_text(tales(260, 2), encoding="utf-8")
    asked = {"tokenizer": {"vocabulary": 330, "threads": 1}, "model": SHAPE | {"dropout": 0.1}}
    list(pretrain(str(folder / "first.txt"), settings(**asked, train={"steps": 60}), folder / "base"))
    teach(folder / "book.txt", folder / "base", folder / "all")
    teach(folder / "book.txt", folder / "base", folder / "lora", lora={"rank": 4}, optimizer={"matrix_lr": 0.01})
    return folder


@pytest.mark.parametrize("run", ["all", "lora"])
def test_what_was_taught_is_better_on_the_books_held_out_text_than_the_base(folder: Path, run: str) -> None:
    found = report(folder / run)
    before, after = found["baselines"]["base"]["bits_per_char"], found["test"]["bits_per_char"]
    assert after < before - 0.05
    assert found["advantage"]["base"]["bits_per_char"] == pytest.approx(before - after)
    assert found["run"]["base"] == str(folder / "base") and found["run"]["method"] == "pretrain"
    assert "the base, before training" in (folder / run / "report.html").read_text(encoding="utf-8")
    assert "base" not in report(folder / "base")["baselines"], "a run from scratch has none"


def test_tokenizer_and_shape_are_the_bases_and_rates_are_smaller(folder: Path) -> None:
    base, found = (Record[Any].read(RunFolder(folder / name)) for name in ("base", "all"))
    assert found.model == base.model.changed(dropout=0.0)
    model = "tokenizer/tokenizer.model"
    assert (folder / "all" / model).read_bytes() == (folder / "base" / model).read_bytes()
    for name in ("matrix_lr", "embedding_lr", "norm_lr"):
        scratch = getattr(RunSettings().optimizer, name)
        assert getattr(found.settings.optimizer, name) == pytest.approx(scratch / 4)
    chosen = {choice["name"]: choice["value"] for choice in report(folder / "lora")["plan"]["choices"]}
    assert chosen["optimizer.name"] == "adamw" and chosen["model.dropout"] == 0.0
    assert "optimizer.matrix_lr" not in chosen, "it was given"


def test_only_what_neither_text_holds_is_unseen(folder: Path) -> None:
    base, taught = (load_tokenizer(RunFolder(folder / name)) for name in ("base", "all"))
    held = {id for line in (folder / "all/corpus/cleaned.txt").read_text(encoding="utf-8") for id in base.encode(line)}
    assert base.unseen & held, "the book has characters of its own"
    assert taught.unseen < base.unseen and not taught.unseen & set(taught.encode("守夜人"))


def test_under_adapters_the_bases_own_weights_stay_bit_for_bit(folder: Path) -> None:
    base, taught = tensors(folder / "base"), tensors(folder / "lora")
    trained = {name for name in taught if name.startswith("model/") and "lora_" in name}
    frozen = {name for name in taught if name.startswith("model/")} - trained
    best = {name: tensor.clone() for name, tensor in load_model(RunFolder(folder / "base"))[0].state_dict().items()}
    assert len(trained) == 2 * (len([n for n in frozen if "blocks" in n and base[n].dim() == 2]))
    for name in frozen:
        assert torch.equal(taught[name], best[name.removeprefix("model/")]), name
    assert type(load_model(RunFolder(folder / "lora"))[0]) is GPT


@pytest.mark.parametrize("rank", [0, 3])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(folder: Path, tmp_path: Path, rank: int) -> None:
    asked = {"train": {"steps": 6, "evaluate_every": 3}, "lora": {"rank": rank}}
    teach(folder / "book.txt", folder / "base", tmp_path / "whole", "train", **asked)
    teach(folder / "book.txt", folder / "base", tmp_path / "parts", "plan", **asked)
    stops = iter([False] * 5)
    events = list(pretrain(None, RunSettings(), tmp_path / "parts", should_stop=lambda: next(stops, True)))
    assert isinstance(events[-1], RunEnded) and not events[-1].finished
    list(pretrain(None, RunSettings(), tmp_path / "parts", until="train"))
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_stage_by_stage_is_the_same_as_at_once(folder: Path, tmp_path: Path) -> None:
    out, steps = str(tmp_path / "out"), ["--train.steps", "30", "--train.batch", "8", "--train.evaluate_every", "15"]
    usual = [*steps, "--train.threads", "1", "--train.precision", "float32", "--evaluate.quick_characters", "400"]
    assert status_of(["clean", str(folder / "book.txt"), "--base", str(folder / "base"), "--out", out]) == 0
    assert status_of(["tokenizer", out]) == 0
    assert status_of(["pretrain", out, *usual]) == 0
    left, right = tensors(tmp_path / "out"), tensors(folder / "all")
    assert all(torch.equal(left[name], right[name]) for name in right)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"tokenizer": {"vocabulary": 400}}, r"drop --tokenizer\.vocabulary"),
        ({"model": {"layers": 3, "width": 64}}, r"drop --model\.layers --model\.width"),
        ({"model": {"context": 49}}, "49 is longer than the base's: at most 48"),
        ({"lora": {"rank": 2}, "optimizer": {"name": "muon"}}, r"--optimizer\.name muon"),
    ],
    ids=["tokenizer", "shape", "context", "muon"],
)
def test_what_the_base_determines_is_refused(folder: Path, tmp_path: Path, groups: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        teach(folder / "book.txt", folder / "base", tmp_path / "out", **groups)


def test_adapters_without_a_base_and_a_base_that_only_scores_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--lora\.rank.*--base"):
        list(pretrain(str(folder / "book.txt"), settings(lora={"rank": 2}), tmp_path / "out"))
    scores = tmp_path / "scores"
    shutil.copytree(folder / "base", scores)
    source = run_source(folder / "base")
    begun(RunFolder(scores), Record[Any].read(RunFolder(scores)).model, "reward", base=source, data=source)
    with pytest.raises(UserError, match="reward model"):
        teach(folder / "book.txt", scores, tmp_path / "out")


def test_another_base_or_other_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    shutil.copytree(folder / "base", mine)
    list(pretrain(str(folder / "book.txt"), settings(), out, given={"base": run_source(mine)}, until="plan"))
    with pytest.raises(UserError, match=f"--base {mine} → {folder / 'all'}"):
        teach(folder / "book.txt", folder / "all", out)
    shutil.rmtree(mine)
    shutil.copytree(folder / "all", mine)
    with pytest.raises(UserError, match="not those that this run was begun with"):
        list(pretrain(None, RunSettings(), out))
    shutil.rmtree(mine)
    shutil.copytree(folder / "base", mine)
    last = list(pretrain(None, RunSettings(), out, until="train"))[-1]
    assert isinstance(last, RunEnded) and last.finished, "put back, it goes on"


@pytest.mark.parametrize("layout", [("classic", "learned"), ("modern", "rope")], ids="-".join)
def test_a_model_of_another_program_is_taught_in_rows_shorter_than_its_context(
    folder: Path, tmp_path: Path, layout: tuple[str, str]
) -> None:
    """Its tokenizer is of another kind, and its vocabulary padded to more rows than there are tokens."""
    own = foreign(rows=foreign().vocabulary + 9)
    style, position = layout
    vocabulary = {"vocabulary": own.vocabulary, "context": 1024, "tied": False}
    shape = ModelSettings.parse(SHAPE | {"style": style, "position": position} | vocabulary)
    run, out = RunFolder(tmp_path / "foreign"), RunFolder(tmp_path / "out")
    run.create()
    begun(run, shape)
    own.save(run.tokenizer)
    torch.manual_seed(3)
    weights = GPT(shape).state_dict()
    checkpoints.save(run.checkpoints, 0, {"model": weights}, state(0, tokenizer_sha256=own.sha256), best=True)
    teach(folder / "book.txt", run.path, out.path, "train", train={"steps": 2, "evaluate_every": 2})
    model, tokenizer, _ = load_model(out)
    assert model.settings == shape.changed(context=RunSettings().model.context)
    assert tokenizer.sha256 == own.sha256 and type(tokenizer) is type(own)
    teach(folder / "book.txt", run.path, tmp_path / "long", "plan", model={"context": 400})
    assert Record[Any].read(RunFolder(tmp_path / "long")).model.context == 400


def test_a_base_that_answers_is_taught_to_continue_and_then_to_answer(folder: Path, tmp_path: Path) -> None:
    rows = [{"instruction": who + place, "output": what} for who, place, what in zip(WHO, WHERE, WHAT, strict=True)]
    data = tmp_path / "chat.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows * 3), encoding="utf-8")
    asked = SftRun().with_values({"train": {"batch": 4, "threads": 1, "steps": 2}, "sampling": {"tokens": 4}})
    list(sft(folder / "base", data, asked, tmp_path / "answers"))
    events = teach(folder / "book.txt", tmp_path / "answers", tmp_path / "taught", "train", train={"steps": 2})
    assert [n for n in of_kind(events, Notice) if "modou sft teaches it to answer again" in str(n)]
    list(sft(tmp_path / "taught", data, asked, tmp_path / "again"))
    again, taught = RunFolder(tmp_path / "again"), RunFolder(tmp_path / "taught")
    assert pretraining_run(again).path == taught.path, "what is replayed is the book it read last"
    text = pretraining_text(again)
    assert text is not None and text.folder == taught.tokens
    assert [path for path, _ in sources_of(again)] == [data, taught.corpus, data, folder / "base/corpus"]


def test_folder_and_commands_are_named_after_both(folder: Path) -> None:
    inputs = {"book": book_source(str(folder / "book.txt")), "base": run_source(folder / "base")}
    assert default_folder("pretrain", inputs) == folder / "base-book"
    run = RunFolder(folder / "all")
    assert remedy(run, "clean") == f"modou clean {folder}/book.txt --base {folder}/base --out {folder}/all"
    assert remedy(run, "train") == f"modou pretrain {folder}/all"


def test_runs_of_sft_from_before_adapters_had_a_group_of_their_own_are_read() -> None:
    old = SftRun.parse({"sft": {"epochs": 2.0, "lora_rank": 3, "lora_alpha": 8.0}, "lora": {"dropout": 0.1}})
    assert old == SftRun.parse({"sft": {"epochs": 2.0}, "lora": {"rank": 3, "alpha": 8.0, "dropout": 0.1}})
    with pytest.raises(UserError, match=r"sft\.lora_size"):
        SftRun.parse({"sft": {"lora_size": 3}})
