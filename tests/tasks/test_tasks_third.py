"""A third task in one file: from its data to a comparison, while nothing outside modou.tasks knows any task."""

import ast
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from train_helpers import of_kind

from modou import storage
from modou.data.examples import Question
from modou.messages import UserError
from modou.pipeline.align import align
from modou.tasks.base import Recipe, Row, Stage, Task
from modou.tasks.registry import EXACT, TASKS, task_of
from modou.train.events import RunEnded

ROUNDS = {"rounds": 2, "prompts": 2, "group": 2, "tokens": 8, "held_out": 4}
SHORT: dict[str, Any] = {"train": {"batch": 4, "threads": 1}}
SHAPE: dict[str, Any] = {
    "tokenizer": {"vocabulary": 300, "threads": 1},
    "model": {"layers": 2, "width": 16, "heads": 2, "context": 48},
    "train": {"steps": 4, "batch": 4, "evaluate_every": 4, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 500},
}
RECIPE = Recipe(
    questions=12,
    stages=(
        Stage("data", "task", data="test.jsonl"),
        Stage("base", "pretrain", data="words.jsonl", settings=SHAPE),
        Stage("sft", "sft", after="base", data="train.jsonl", settings=SHORT | {"sampling": {"tokens": 8}}),
        Stage(
            "grpo",
            "grpo",
            after="sft",
            data="train.jsonl",
            judge="reverse",
            optional=True,
            settings={"train": {"threads": 1}, "rollout": ROUNDS},
        ),
        Stage("compare", "compare", after="sft", data="test.jsonl"),
    ),
)


@dataclass(frozen=True)
class ReverseTask(Task):
    """A word is to be written backwards."""

    name: str = "reverse"
    recipe: Recipe = RECIPE

    def files(self, seed: int) -> Mapping[str, Sequence[Row]]:
        """Words to read; the same as questions; other words to be tested with."""
        dice = random.Random(seed)
        words = ["".join(dice.choices("abdeilnorst", k=5)) for _ in range(400)]
        rows = [{"instruction": word, "output": word[::-1]} for word in words]
        return {
            "words.jsonl": [{"text": " ".join(words[place:][:20])} for place in range(0, 360, 4)],
            "train.jsonl": self.tagged(rows[:360]),
            "test.jsonl": self.tagged(rows[360:]),
        }

    def rules(self, question: Question, text: str) -> dict[str, bool]:
        """The usual one, and one that no message names."""
        return super().rules(question, text) | {"same_length": len(text) == len(question.text)}


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> ReverseTask:
    """The one line of the registry."""
    made = ReverseTask()
    monkeypatch.setitem(TASKS, made.name, made)
    return made


def test_it_goes_from_its_data_to_a_comparison(task: ReverseTask, tmp_path: Path) -> None:
    out = tmp_path / "reverse"
    events = list(align(task.name, out))
    assert all(event.finished for event in of_kind(events, RunEnded))
    found = storage.read_json(out / "compare.json")
    assert list(found["runs"]) == ["sft", "base", "grpo"] and found["questions"] == 12
    for run in found["runs"].values():
        assert run["rules"].keys() == {"exact", "same_length"} and run["rules"]["exact"]["count"] == 12
        assert run["judges"].keys() == {"reverse"}
    assert found["judges"] == {"reverse": "rules"} and found["majority"].keys() == {"exact", "same_length"}
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert "the rule reverse" in page and "right" in page
    assert "same_length" in page, "a rule that no message names is shown by its name"
    rows = [json.loads(line) for line in (out / "data" / "test.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 40 and all(task_of(row["facts"]) is task for row in rows)


def test_a_question_knows_its_task(task: ReverseTask) -> None:
    assert task_of({}) is EXACT and task_of({"task": "reverse"}) is task
    with pytest.raises(UserError, match="ferry"):
        task_of({"task": "ferry"})


CODE = Path(__file__).parents[2] / "modou"
FREE = ("tasks", "corpora", "messages", "presets", "text")
"""Folders that may name what belongs to a task: its own, the corpora it reads, words, settings, formats of books."""
OWN = re.compile(r"poem|rhyme|acrostic")
"""What belongs to the tasks that ship, in a name or a text."""
FACT = "form"
"""The fact of a row by which verse was once recognised."""


def test_no_other_module_knows_a_task() -> None:
    """Neither by a name in the code nor by a text in it; what docstrings tell of is no knowledge."""
    found: dict[str, list[str]] = {}
    paths = [path for path in CODE.rglob("*.py") if path.relative_to(CODE).parts[0] not in FREE]
    for path in paths:
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        texts = [str(node.value) for node in nodes if isinstance(node, ast.Constant) and id(node) not in prose]
        names = [node.id for node in nodes if isinstance(node, ast.Name)]
        modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        known = [one for one in (*texts, *names, *modules) if OWN.search(one)]
        known += [one for one in texts if one == FACT and path.parts[-3] != "text"]
        if known:
            found[path.relative_to(CODE).as_posix()] = known
    assert len(paths) > 100 and not found
