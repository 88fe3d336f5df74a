"""docs/export.md as written, in both languages: its commands and programs work in their order, in one folder."""

import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
from import_helpers import write_model
from test_readme import run
from train_helpers import sentences

ROOT = Path(__file__).parent.parent
PAGES = {"docs/export.md": ("novel.txt", "en"), "docs/export.zh-CN.md": ("我的小说.txt", "zh")}
SMALL = (
    *("--layers", "2", "--width", "32", "--model.heads", "2", "--model.context", "128"),
    *("--tokenizer.vocabulary", "330"),
)


def blocks(page: str) -> list[tuple[str, str]]:
    """The blocks that run here, with their kinds; `console` is for what does not."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```(sh|python)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    return [line for kind, block in blocks(page) if kind == "sh" for line in block.splitlines()]


def test_both_pages_show_the_same_commands() -> None:
    english, chinese = (
        [re.sub(r"novel\.txt|我的小说\.txt|\".*\"", "…", line) for line in commands(page)] for page in PAGES
    )
    assert english == chinese
    assert all(line.startswith("modou ") for line in english)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_the_recipes_work_as_written(page: str, tmp_path: Path) -> None:
    name, language = PAGES[page]
    environment = os.environ | {"MODOU_MAX_MINUTES": "0.05", "MODOU_LANG": language, "OMP_NUM_THREADS": "1"}
    (tmp_path / name).write_text(sentences(400, 3), encoding="utf-8")
    rows = ({"instruction": f"{day}？", "output": f"{day}。"} for day in sentences(40, 4).split("\n") if day)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (tmp_path / "questions.jsonl").write_text("".join(lines), encoding="utf-8")
    write_model(tmp_path / "models/smol", "llama")

    def modou(*words: str) -> None:
        run([sys.executable, "-m", "modou", *words], tmp_path, environment)

    modou("run", name, "--out", "runs/novel", "--train.steps", "8", *SMALL)
    modou("sft", "runs/novel", "questions.jsonl", "--out", "runs/novel-sft", "--train.steps", "4")
    listed = blocks(page)
    assert len(listed) >= 8
    for kind, block in listed:
        if kind == "python":
            assert run([sys.executable, "-c", block], tmp_path, environment).strip()
        for line in block.splitlines() if kind == "sh" else ():
            modou(*shlex.split(line)[1:])
    assert (tmp_path / "runs/smol-adapter/adapter_model.safetensors").is_file()
