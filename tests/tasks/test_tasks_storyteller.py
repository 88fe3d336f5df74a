"""Questions about the storyteller's world: open book, deterministic, test worlds apart; the files of both tasks."""

import json
import os
from itertools import combinations
from pathlib import Path

import pytest

from modou.cli import main as cli
from modou.data.formats.formats import read
from modou.messages import UserError
from modou.pipeline.task import write_task
from modou.tasks.poems.settings import SETTINGS as POEMS
from modou.tasks.poems.verse import lines_of
from modou.tasks.registry import TASKS
from modou.tasks.storyteller import rows as storyteller
from modou.tasks.storyteller.settings import SETTINGS, StorytellerSettings
from modou.tasks.storyteller.task import Storyteller


@pytest.mark.parametrize("language", ["zh", "en"])
def test_rows_are_conversations_that_bring_their_passage(language: str) -> None:
    rows = list(storyteller.rows(language, 40, 3))  # pyright: ignore[reportArgumentType]
    assert len(rows) == 40 and rows == list(storyteller.rows(language, 40, 3))  # pyright: ignore[reportArgumentType]
    for row in rows:
        (example,) = read(row)
        assert (
            example.kind == "conversation" and example.facts["answer"] == row["output"] == example.messages[1].content
        )
        assert "\n" in row["instruction"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_conversations_ask_several_questions_about_one_passage(language: str) -> None:
    rows = list(storyteller.conversations(language, 40, 3))  # pyright: ignore[reportArgumentType]
    assert len(rows) == 40 and rows == list(storyteller.conversations(language, 40, 3))  # pyright: ignore[reportArgumentType]
    for row in rows:
        messages = read(row)[0].messages
        assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2)
        passage, _, _ = messages[0].content.rpartition("\n")
        assert passage and not any("\n" in message.content for message in messages[1:])
    assert max(len(row["messages"]) for row in rows) == 2 * SETTINGS.questions


SHORT = SETTINGS.changed(train=2 * SETTINGS.passages, practice=2 * SETTINGS.passages, test=2 * SETTINGS.passages)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter files, of two worlds each."""
    for name in ("storyteller", "storyteller-en"):
        monkeypatch.setitem(TASKS, name, Storyteller(name=name, recipe=TASKS[name].recipe, settings=SHORT))


@pytest.mark.slow
def test_test_worlds_are_others_in_files_as_long_as_they_are(tmp_path: Path) -> None:
    check_worlds(tmp_path, SETTINGS)


@pytest.mark.usefixtures("few")
def test_test_worlds_are_others(tmp_path: Path) -> None:
    check_worlds(tmp_path, SHORT)
    list(write_task("storyteller-en", tmp_path))  # the same again: nothing to say
    with pytest.raises(UserError):
        list(write_task("storyteller-en", tmp_path, seed=2))


def check_worlds(tmp_path: Path, settings: StorytellerSettings) -> None:
    list(write_task("storyteller-en", tmp_path))
    asked = {
        path.stem: [read(json.loads(line))[0].messages[0].content for line in path.read_text("utf-8").splitlines()]
        for path in tmp_path.iterdir()
    }
    counts = {name: len(questions) for name, questions in asked.items()}
    assert counts == {"train": settings.train, "practice": settings.practice, "test": settings.test}
    passages = {name: {one.rpartition("\n")[0] for one in questions} for name, questions in asked.items()}
    for one, other in combinations(passages, 2):
        assert not passages[one] & passages[other]


@pytest.mark.usefixtures("few")
def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.status_of(["task", "ferry", str(tmp_path)]) == 2
    assert "storyteller-en" in capsys.readouterr().err
    assert cli.status_of(["task", "storyteller", str(tmp_path / "a"), "--seed", "4"]) == 0
    first, _, _ = (tmp_path / "a" / "train.jsonl").read_text("utf-8").partition("\n")
    assert [json.loads(first)] == TASKS["storyteller"].tagged(storyteller.conversations("zh", 1, 4))


@pytest.mark.slow
@pytest.mark.skipif("MODOU_DATA" not in os.environ, reason="MODOU_DATA names no folder with the Tang poems")
def test_the_poems_files_share_no_poem(tmp_path: Path) -> None:
    list(write_task("poems", tmp_path))
    rows = {
        path.name: [json.loads(line) for line in path.read_text("utf-8").splitlines()] for path in tmp_path.iterdir()
    }
    assert rows.keys() == {"poems.jsonl", "train.jsonl", "judge.jsonl", "test.jsonl"}
    assert len(rows["test.jsonl"]) == POEMS.held_out and len(rows["judge.jsonl"]) == POEMS.judged
    learned = {line for row in rows["train.jsonl"] for line in lines_of(row["output"])}
    read_before = {line for row in rows["poems.jsonl"] for line in lines_of(row["text"])}
    assert {line[1:] for line in learned} <= {line[1:] for line in read_before}
    assert 0.6 < len(learned & read_before) / len(learned) < 0.9, "the others begin as somebody's acrostic wants it"
    for file, other in (("test.jsonl", "judge.jsonl"), ("judge.jsonl", "test.jsonl")):
        unseen = {line for row in rows[file] for line in lines_of(row["output"])}
        assert not unseen & read_before and not unseen & {
            line for row in rows[other] for line in lines_of(row["output"])
        }
        for fact in ("title", "head"):
            asked = {row["facts"][fact] for row in rows[file] if fact in row["facts"]}
            assert asked and not asked & {row["facts"].get(fact) for row in rows["train.jsonl"]}
    row = rows["train.jsonl"][0]
    assert read(row)[0].facts["form"] in row["instruction"]
    assert {row["facts"]["task"] for name in ("train", "judge", "test") for row in rows[f"{name}.jsonl"]} == {"poems"}
