"""What runs are compared by: rules, the commonest answer, what was copied. Whole comparisons: test_pipeline_align."""

import json
from pathlib import Path
from typing import Any

import pytest
from method_helpers import begun
from train_helpers import sentences

from modou.data.examples import Question
from modou.pipeline.compare import majority, real
from modou.pipeline.copying import Library, sources_of
from modou.pipeline.inputs import examples_source
from modou.runs.folder import RunFolder
from modou.runs.record import Source
from modou.runs.stages import write_stage
from modou.tasks.registry import EXACT, TASKS
from modou.text.corpus import Corpus, prepare
from modou.text.readers.book import read_book


def asked(answer: str, kind: str = "") -> Question:
    return Question((), "？", {"answer": answer} | ({"kind": kind} if kind else {}))


def test_a_true_answer_is_judged_whole_and_a_poem_by_its_form() -> None:
    assert EXACT.rules(asked(" 桥 "), "桥\n") == {"exact": True} and EXACT.rules(asked("桥"), "桥上") == {
        "exact": False
    }
    assert EXACT.rules(Question((), "？"), "桥") == {} and EXACT.truth(Question((), "？")) is None
    poem = Question((), "？", {"task": "poems", "form": "五绝", "answer": "小豆过桥东"})
    verse = TASKS["poems"]
    assert verse.rules(poem, "春") == {"form": False, "rhyme": False, "no_repeat": True} and verse.truth(poem) is None
    assert real([poem, asked("桥")])["form"].count == 1 and real([poem])["form"].share == 0
    assert real([asked("桥")]) == {}


def test_the_commonest_answer_is_that_of_the_kind_in_the_whole_file() -> None:
    every = [
        asked("甲", "谁"),
        asked("甲", "谁"),
        asked("乙", "谁"),
        asked("桥", "哪"),
        asked("河", "哪"),
        asked("河", "哪"),
    ]
    found = majority([every[0], every[2], every[3], every[4]], [*every, Question((), "没有答案")])
    assert found["exact"].share == 0.5 and found["exact"].count == 4
    assert majority([asked("甲"), asked("乙")], [asked("甲"), asked("乙"), asked("乙")])["exact"].share == 0.5
    assert majority([Question((), "？")], [Question((), "？", {"task": "poems", "form": "五绝", "answer": "诗"})]) == {}


@pytest.fixture
def line(tmp_path: Path) -> dict[str, RunFolder]:
    """A pretrained run with its text, an SFT of it, a DPO and a KTO of that: folders alone, without models."""
    book = tmp_path / "book.txt"
    book.write_text(sentences(60), encoding="utf-8")
    runs = {name: RunFolder(tmp_path / name) for name in ("base", "sft", "dpo", "kto")}
    for run in runs.values():
        run.path.mkdir()
    prepare(read_book(book), runs["base"].corpus)
    write_stage(runs["base"], "clean", {}, sorted(runs["base"].corpus.iterdir()))
    begun(runs["base"])
    rows: dict[str, list[dict[str, Any]]] = {
        "sft": [{"instruction": "问月亮", "output": "月亮从桥的那一边升起来"}],
        "dpo": [{"prompt": "问星星", "chosen": "星星落在深深的井里", "rejected": "不知道这样的事情"}],
        "kto": [
            {"prompt": "问太阳", "completion": "太阳在雨里慢慢地走", "label": True},
            {"prompt": "问太阳", "completion": "没有人见过那个东西", "label": False},
        ],
    }
    for name, before in (("sft", "base"), ("dpo", "sft"), ("kto", "sft")):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows[name]), encoding="utf-8")
        source = Source(kind="run", path=str(runs[before].path), sha256="0" * 64)
        begun(runs[name], None, name, base=source, data=examples_source(file))
    return runs


def test_what_was_copied_is_looked_up_in_what_the_whole_line_learned(line: dict[str, RunFolder]) -> None:
    library = Library()

    def longest(run: str, *texts: str) -> str:
        found = library.copied(line[run], texts)
        assert found is not None and found.longest == len(found.text)
        return found.text

    passage = next(Corpus(line["base"].corpus).texts("train"))[:12]
    assert longest("base", "☃", f"☃{passage}☃看月亮从桥的") == longest("dpo", f"☃{passage}☃") == passage
    assert longest("sft", "问月亮，看月亮从桥的") == "月亮从桥的"
    assert longest("sft", "星星落在井里") != "星星落在"
    assert longest("dpo", "星星落在井里，不知道这样的") == "星星落在"
    assert longest("dpo", "XYZ") == ""
    assert longest("kto", "太阳在雨里，没有人见过") == "太阳在雨里"


def test_sources_that_are_gone_or_changed_are_not_taken(line: dict[str, RunFolder], tmp_path: Path) -> None:
    assert len(sources_of(line["dpo"])) == 3
    (tmp_path / "sft.jsonl").write_text("{}", encoding="utf-8")
    assert len(sources_of(line["dpo"])) == 2
    (tmp_path / "dpo.jsonl").unlink()
    line["base"].settings.unlink()
    assert sources_of(line["dpo"]) == () and Library().copied(line["dpo"], ["月亮"]) is None
