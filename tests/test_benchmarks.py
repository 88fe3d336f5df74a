"""Every benchmark runs, and its JSON has the names that others read. No time is judged."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import article_model
import pytest
import torch
from closeness import assert_close_sums
from comparison import comparison_page, write_comparison
from html_helpers import Reader
from method_helpers import begun
from report_data import REPORT
from run import middle, ratio, stage_seconds

from modou.runs.folder import RunFolder
from modou.settings.model import ModelSettings

ROOT = Path(__file__).parents[1]
SMALL = ("--layers", "1", "--width", "16", "--heads", "2", "--context", "8", "--vocabulary", "64", "--batch", "2")


def run(folder: Path, script: str, *arguments: str, threads: int | None = 1) -> dict[str, Any]:
    """The numbers that a benchmark writes."""
    target = folder / "numbers.json"
    command = [sys.executable, str(ROOT / "benchmarks" / script), "--json", str(target)]
    if threads:
        command += ["--threads", str(threads)]
    command += arguments
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    return json.loads(target.read_text(encoding="utf-8"))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Forty chapters of a made-up tale, long enough to split."""
    lines: list[str] = []
    for chapter in range(1, 41):
        lines.append(f"第{chapter}回 林间旧事")
        lines += [
            f"第{i}日天色将晚，{chapter}号渡口的船家收起竹篙，说道今夜有{i * chapter}盏灯。" for i in range(1, 30)
        ]
    path = tmp_path / "tale.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.slow
def test_article(tmp_path: Path, book: Path) -> None:
    numbers = run(tmp_path, "article.py", "--book", str(book), "--minutes", "0.01", "--vocabulary", "500")
    found = numbers["article"]
    assert found["test"]["bits_per_char"] > 0 and found["test"]["characters"] > 0
    assert {"steps", "tokens", "seconds", "tokens_per_second"} <= set(found["training"])
    assert 300 < found["model"]["vocabulary"] <= 500


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_train(tmp_path: Path, optimizer: str) -> None:
    names = ("naive", "float32", "float32-products")
    quick = ("--rounds", "1", "--steps", "1", "--peak-seconds", "0.02", "--optimizer", optimizer)
    found = run(tmp_path, "train.py", *SMALL, *quick, "--variants", *names)["train"]
    assert tuple(found["variants"]) == names and found["optimizer"] == optimizer
    for row in found["variants"].values():
        assert row["tokens_per_second"] > 0 and row["share_of_peak"] > 0 and row["peak_memory_mb"] >= 0
    naive, ours, other = found["variants"].values()
    assert naive["ratio_to_naive"] == 1 and naive["loss_difference"] is None
    assert ours["ratio_to_float32"] == 1 and ours["gradient_difference"] == 0
    assert 0 <= other["loss_difference"] < 0.01 and 0 <= other["gradient_difference"] < 0.1
    assert found["peak_gflops"] > 0 and found["threads"] == 1


@pytest.mark.slow
def test_adapters_beside_all_weights(tmp_path: Path) -> None:
    small = ("--kv_heads", "1", "--hidden", "24", "--rank", "2", "--rounds", "1", "--threads", "1")
    found = run(tmp_path, "lora.py", *SMALL, *small)["lora"]
    full, adamw, lora = (found["variants"][name] for name in ("full", "full-adamw", "lora"))
    assert full["parameters"] == full["trained"] == adamw["trained"] == lora["parameters"] - lora["trained"]
    assert full["ratio_to_full"] == 1 and all(row["ratio_to_full"] > 0 for row in (adamw, lora))
    assert all(row["peak_memory_mb"] >= 0 and row["seconds_per_step"] > 0 for row in (full, adamw, lora))


def test_a_stage_lasts_until_its_record_is_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.stages.mkdir()
    for name, moment in (("plan", 1012.5), ("clean", 1010.0)):
        record = folder.stages / f"{name}.json"
        record.touch()
        os.utime(record, (moment, moment))
    assert stage_seconds(folder, 1000.0) == {"clean": 10.0, "plan": 2.5}


def test_repeats_are_summed_up() -> None:
    assert middle([3, None, 1, 2.5]) == 2.5 and middle([None]) is None
    assert middle(["bfloat16", "float32", "bfloat16"]) == "bfloat16 / float32" and middle([True, True]) == "True"
    assert ratio([2.0, 9, 4], [1, 3.0, 4.0]) == 2
    assert ratio([True], [True]) is None and ratio([1.0], [0.0]) is None and ratio([None], [1.0]) is None


@pytest.mark.slow
def test_whole_runs(tmp_path: Path, book: Path) -> None:
    sources = ("--source", f"old={ROOT}", "--source", f"new={ROOT}", "--out", str(tmp_path / "runs"))
    small = ("--model.layers", "1", "--model.width", "16", "--model.heads", "2", "--model.context", "16")
    found = run(tmp_path, "run.py", str(book), "--minutes", "0.01", *sources, "--", *small)["run"]
    assert set(found["sources"]) == set(found["repeats"]) == {"old", "new"}
    for row in found["sources"].values():
        stages, seconds = row["stage_seconds"], row["seconds"]
        assert list(stages) == ["clean", "tokenizer", "shards", "plan", "train", "evaluate", "report"]
        assert all(spent > 0 for spent in stages.values()) and sum(stages.values()) <= seconds["total"] + 0.5
        assert 0 < seconds["first_sample"] < seconds["total"] and seconds["looks"] > 0
        assert row["training"]["tokens"] > 0 and row["training"]["share_of_peak"] > 0
        assert row["test"]["bits_per_char"] > 0 and row["way"]["threads"] == 1
    assert (tmp_path / "runs" / "new-1" / "report.html").exists()


@pytest.mark.slow
def test_tokenization(tmp_path: Path, book: Path) -> None:
    quick = ("--kinds", "bpe", "char", "--vocabulary", "500", "--seconds", "0")
    found = run(tmp_path, "tokenization.py", "--book", str(book), *quick)["tokenize"]
    assert set(found["kinds"]) == {"bpe", "char"}
    for row in found["kinds"].values():
        assert row["encode_characters_per_second"] > 0 and row["train_seconds"] > 0
        assert row["characters_per_token"]["held_out"] > 0


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run folder with what `learning.py` reads."""
    folder = tmp_path / "run"
    folder.mkdir()
    begun(RunFolder(folder), ModelSettings(style="classic", position="learned", context=16))
    lines = [
        {"kind": "step", "step": 5, "seconds": 1.0, "metrics": {"bits_per_char": 7.0}},
        {"kind": "evaluation", "step": 10, "seconds": 2.0, "numbers": {"validation": {"bits_per_char": 6.5}}},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    report = {
        "run": {"name": "run"},
        "training": {"tokens": 640, "share_of_peak": 0.6, "tokens_per_second": 320.0},
        "test": {"bits_per_char": 6.4, "interval": [6.3, 6.5]},
        "lengths": {"1": {"bits_per_char": 6.4}, "2": None},
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def test_learning_curve(tmp_path: Path, finished: Path) -> None:
    (point,) = run(tmp_path, "learning.py", str(finished))["learning"]["run"]
    assert point["tokens"] == 10 * 16 * 16
    assert point["flops"] > 6 * point["tokens"]
    assert point["validation"]["bits_per_char"] == 6.5


def test_detection(tmp_path: Path) -> None:
    found = run(tmp_path, "detection.py", "--lengths", "200", "--places", "1", "--languages", "sv", "ja")["encodings"]
    assert set(found["200"]) == {"modou", "charset-normalizer"}
    ours = found["200"]["modou"]
    assert ours["samples"] == 11 and ours["right"] == 11 and ours["silent"] == 0 and ours["milliseconds"] > 0


def test_models_side_by_side(tmp_path: Path, finished: Path) -> None:
    found = run(tmp_path, "learning.py", "--models", str(finished), "--html", str(tmp_path / "page"))["models"]["run"]
    assert found["test"]["bits_per_char"] == 6.4 and found["share_of_peak"] == 0.6
    assert found["lengths"]["2"]["bits_per_char"] is None
    assert (tmp_path / "page" / "models.html").exists()


def test_the_page_of_models_side_by_side(tmp_path: Path) -> None:
    other = copy.deepcopy(REPORT)
    other["run"]["name"] = "a<b>" * 20
    other["test"] = {"bits_per_char": 5.05, "interval": None}
    other["lengths"] = {"1": {"bits_per_char": 5.05}, "2": {"bits_per_char": 5.01}, "4": {"bits_per_char": None}}
    other["generation"] = {"tokens_per_second": 212.0}
    page = write_comparison([REPORT, other], tmp_path).read_text(encoding="utf-8")
    reader = Reader(page)
    assert "http" not in page and len(reader.ids) == len(set(reader.ids))
    assert "5.22" in reader.text and "5.05" in reader.text and "212" in reader.text and "a<b>" in reader.text
    models = json.loads((tmp_path / "models.json").read_text(encoding="utf-8"))["models"]
    assert [model["test"]["bits_per_char"] for model in models] == [5.2173, 5.05]
    assert models[1]["lengths"]["4"] == {"bits_per_char": None}
    Reader(comparison_page([]))
    Reader(comparison_page([{}, {"test": {"bits_per_char": 1.0}}]))


@pytest.mark.parametrize(
    ("size", "position", "parameters"),
    [("2m", "learned", 2_469_184), ("2m", "rope", 2_452_800), ("8m", "learned", 8_875_840), ("8m", "rope", 8_843_072)],
)
def test_the_article_has_as_many_parameters(size: str, position: str, parameters: int) -> None:
    model = article_model.ArticleGPT(article_model.article_settings(size, position, 8000))
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize("position", ["learned", "rope"])
def test_the_article_looks_back_only(position: str) -> None:
    torch.manual_seed(0)
    model = article_model.ArticleGPT(article_model.article_settings("2m", position, 50)).double().eval()
    ids_BT = torch.randint(50, (2, 12))
    other_BT = ids_BT.clone()
    other_BT[:, 7:] = (other_BT[:, 7:] + 1) % 50
    first, second = model(ids_BT), model(other_BT)
    assert torch.allclose(first[:, :7], second[:, :7], atol=1e-9)
    assert not torch.allclose(first[:, 7:], second[:, 7:], atol=1e-2)


def test_turned_pairs_score_by_distance() -> None:
    query, key = torch.randn(1, 1, 1, 8).expand(1, 1, 9, 8), torch.randn(1, 1, 1, 8).expand(1, 1, 9, 8)
    turned = [article_model.turn_pairs(x, 10_000.0)[0, 0] for x in (query, key)]
    scores = turned[0] @ turned[1].T
    size = query[0, 0, 0].norm() * key[0, 0, 0].norm()
    for distance in range(-8, 9):
        diagonal = scores.diagonal(distance)
        assert_close_sums(diagonal, diagonal[0].expand_as(diagonal), size.item())
