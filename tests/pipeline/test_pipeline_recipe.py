"""Pairs from a run's own answers, and whole tasks in one command: they stop, go on, and end in a comparison."""

import json
import os
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from method_helpers import pretrain, sft
from train_helpers import DOES, WHAT, WHERE, WHO, of_kind, sentences

from modou import storage
from modou.cli import main as cli
from modou.data.examples import Question
from modou.data.formats.formats import read
from modou.messages import UserError, text
from modou.pipeline import pairs
from modou.pipeline.align import TaskStages, align, title
from modou.pipeline.pairs import write_pairs
from modou.settings.methods import SftRun
from modou.settings.run import RunSettings
from modou.settings.sampling import SamplingSettings
from modou.tasks.registry import TASKS
from modou.train.events import RunEnded, StageProgress
from modou.train.rollouts import Answer

METHODS = {name: task.recipe.methods for name, task in TASKS.items() if task.recipe.stages}
OPEN = SamplingSettings(temperature=1.0, top_p=1.0, tokens=24)
VERSE = "阿豆过桥东，渡船在水中。\n老猫看白日，无事睡梁同。"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that answers, and conversations of both kinds."""
    folder = tmp_path_factory.mktemp("pairs")
    book = folder / "book.txt"
    book.write_text(sentences(110, 1), encoding="utf-8")
    shape = {
        "tokenizer": {"vocabulary": 330, "threads": 1},
        "model": {"layers": 2, "width": 16, "heads": 2, "context": 160},
        "train": {"steps": 4, "batch": 4, "evaluate_every": 4, "threads": 1},
        "evaluate": {"quick_characters": 200, "written_characters": 500},
    }
    list(pretrain(str(book), RunSettings.parse(shape), out=folder / "base"))
    talk = [
        {"instruction": f"{who}{place}？", "output": f"{does}{what}。"}
        for who, place, does, what in zip(WHO, WHERE, DOES, WHAT, strict=True)
    ]
    verses = [
        {"instruction": "五绝", "output": VERSE, "facts": {"task": "poems", "form": "五绝"}},
        {"instruction": "藏头", "output": VERSE, "facts": {"task": "poems", "form": "五绝", "head": "阿渡老无"}},
    ]
    for name, rows in (("talk.jsonl", talk * 2), ("verse.jsonl", verses * 20)):
        text = "".join(storage.json_line(row) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")
    settings = SftRun.parse({"train": {"batch": 4, "threads": 1}})
    list(sft(folder / "base", folder / "talk.jsonl", settings, folder / "sft"))
    return folder


def test_what_stands_there_is_better_than_what_is_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "pairs.jsonl"
    list(write_pairs(folder / "sft", folder / "verse.jsonl", out, "", OPEN))
    rows = storage.read_jsonl(out)
    kinds = {row["kind"] for row in rows}
    assert "samples" not in kinds, "so small a model writes no verse"
    assert "endings/real" in kinds and sum(kind.startswith("damaged/") for kind in kinds) > 4
    for row in rows:
        (example,) = read(row)
        assert example.kind == "preference" and example.chosen == VERSE != example.rejected
    assert {row["prompt"] for row in rows if row["kind"] == "damaged/beheaded"} == {"藏头"}
    with pytest.raises(UserError):
        list(write_pairs(folder / "sft", folder / "verse.jsonl", out, "", OPEN))
    with pytest.raises(UserError, match="sft"):
        list(write_pairs(folder / "base", folder / "verse.jsonl", tmp_path / "none", "", OPEN))


def test_own_verse_is_better_than_the_same_with_other_ends(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only verse of the form that was asked for; next to each other stand the pairs in which it is preferred."""
    mine, odd = "梁上两人坐，窗前一豆红。\n阿同忽不见，却在老桥东。", "梁上两人坐，窗前一豆红。"

    def write(_: object, __: object, tasks: list[Question], group: int, *___: object) -> list[Answer]:
        return [Answer(task, (mine, odd)[sample % 2], (5,), ended=True) for task in tasks for sample in range(group)]

    monkeypatch.setattr(pairs, "sample_answers", write)
    list(write_pairs(folder / "sft", folder / "verse.jsonl", tmp_path / "pairs.jsonl", "", OPEN))
    rows = storage.read_jsonl(tmp_path / "pairs.jsonl")
    assert {row["rejected"] for row in rows if row["kind"] in ("samples", "warm")} == {mine}
    own = [row for row in rows if row["kind"] == "endings/own"]
    assert own and {row["prompt"] for row in own} == {"五绝", "藏头"}
    for row in own:
        places = range(len(mine))
        assert {place for place in places if row["chosen"][place] != mine[place]} <= {mine.index("东")}
        changed = {place for place in places if row["chosen"][place] != row["rejected"][place]}
        assert changed and changed <= {mine.index("红"), mine.index("东")}
    assert len(list(groupby(row["chosen"] for row in rows))) == len({row["chosen"] for row in rows})


def test_pairs_go_on_where_they_stopped(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "AT_ONCE", 3)
    args = (folder / "sft", folder / "talk.jsonl")
    eager = OPEN.changed(temperature=3.0)  # something that differs from the true answer
    list(write_pairs(*args, tmp_path / "whole", "", eager))
    stopped = write_pairs(*args, tmp_path / "out", "", eager)
    next(event for event in stopped if isinstance(event, StageProgress) and event.done == 6)
    stopped.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert not (tmp_path / "out").exists()
    events = list(write_pairs(*args, tmp_path / "out", "", eager))
    assert of_kind(events, StageProgress)[0].done == 9
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
    kinds = [row["kind"] for row in storage.read_jsonl(tmp_path / "whole")]
    assert kinds.count("samples") > kinds.count("warm") > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


@pytest.mark.parametrize("name", METHODS)
def test_the_settings_of_every_part_are_valid_and_minutes_are_shared_out(name: str, tmp_path: Path) -> None:
    for minutes in (6.0, 60.0):
        made = TaskStages(TASKS[name], tmp_path, minutes, lambda: False)
        parts = [part.name for part in made.parts(METHODS[name])]
        assert parts[:3] == ["data", "base", "sft"] and parts[-1] == "compare"
        whole = TaskStages(TASKS[name], tmp_path, 60.0, lambda: False).settings("sft", SftRun).train.minutes
        assert made.settings("sft", SftRun).train.minutes == pytest.approx(minutes / 60 * whole)


@pytest.mark.parametrize("name", METHODS)
def test_a_recipe_names_nothing_that_is_not_there(name: str) -> None:
    stages = TASKS[name].recipe.stages
    known = [stage.name for stage in stages]
    assert len(set(known)) == len(known) and [stages[0].kind, stages[-1].kind] == ["task", "compare"]
    for place, stage in enumerate(stages):
        assert {stage.after, stage.reference} <= {"", *known[:place]}
        assert stage.judge in {"", *TASKS, *(one.name for one in stages[:place] if one.kind == "reward")}


def test_a_stage_is_called_as_its_method_is_and_an_unknown_one_by_its_name() -> None:
    assert title("data") == "data" and title("reward") == text("help.group_reward") != "reward"
    assert title("ferry") == "ferry"


def test_questions_of_several_tasks_make_no_pairs(folder: Path, tmp_path: Path) -> None:
    both = [*storage.read_jsonl(folder / "talk.jsonl"), *storage.read_jsonl(folder / "verse.jsonl")]
    (tmp_path / "both.jsonl").write_text("".join(storage.json_line(row) + "\n" for row in both), encoding="utf-8")
    with pytest.raises(UserError, match="exact, poems"):
        list(write_pairs(folder / "sft", tmp_path / "both.jsonl", tmp_path / "pairs.jsonl", "", OPEN))
    assert not (tmp_path / "pairs.jsonl").exists()


def test_a_method_added_later_is_compared_too(tmp_path: Path) -> None:
    storage.write_json_atomically(tmp_path / "compare.json", {"runs": {"sft": {}, "base": {}, "ppo": {}}})
    made = TaskStages(TASKS["poems"], tmp_path, 60.0, lambda: False)
    assert made.parts(("ppo",))[-1].made == tmp_path / "compare.json"
    assert made.parts(METHODS["poems"])[-1].made is None


def test_an_unknown_task_or_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.status_of(["align", "ferry", "--out", str(tmp_path / "a")]) == 2
    assert cli.status_of(["align", "storyteller", "--methods", "dpo", "--out", str(tmp_path / "a")]) == 2
    assert cli.status_of(["align", "poems", "--methods", "ppo,kto", "--out", str(tmp_path / "a")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[1:] == [
        "modou: modou align storyteller does not include dpo: choose from grpo",
        "modou: modou align poems does not include kto: choose from ppo, dpo, grpo",
    ]
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_task_from_end_to_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the middle, taken up, and then nothing is left to do."""
    if name == "poems" and "MODOU_DATA" not in os.environ:
        pytest.skip("MODOU_DATA names no folder with the Tang poems")
    monkeypatch.setenv("MODOU_MAX_MINUTES", "0.05")
    task, few = TASKS[name], {"judged": 100} if name == "poems" else {"train": 400}
    recipe = replace(task.recipe, questions=40)
    monkeypatch.setitem(TASKS, name, replace(task, settings=task.settings.changed(**few), recipe=recipe))
    out = tmp_path / name
    events = align(name, out, 1.0, should_stop=lambda: (out / "sft" / "report.json").exists())
    assert [event.finished for event in of_kind(list(events), RunEnded)][-1] is False
    assert not (out / "grpo").exists()
    list(align(name, out, 1.0))
    found = json.loads((out / "compare.json").read_text("utf-8"))
    assert list(found["runs"]) == ["sft", "base", *METHODS[name]] and (out / "compare.html").stat().st_size > 10_000
    before = {path: path.stat().st_mtime_ns for path in out.rglob("checkpoints/*/*")}
    list(align(name, out, 1.0))
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("checkpoints/*/*")}
