"""The way to compute a training step is chosen with the plan, lasts, and is chosen anew only when asked for."""

from pathlib import Path
from typing import Any

import pytest
from method_helpers import pretrain
from train_helpers import of_kind, sentences

from modou.messages import UserError
from modou.methods import pretrain as method
from modou.pipeline import runner
from modou.pipeline.beginning import RunRequest
from modou.pipeline.inputs import book_source
from modou.pipeline.runner import run
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.stages import read_stage
from modou.settings.run import RunSettings
from modou.train.events import Event, Notice, Planned, Stepped
from modou.train.ways import REFERENCE, TimedWay, Way, way_of

FAST = Way("bfloat16", "products", threads=1)
TINY: dict[str, dict[str, Any]] = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 1, "width": 16, "heads": 2, "context": 16},
    "train": {"steps": 4, "batch": 4, "evaluate_every": 2, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 500},
}
TIMED = [TimedWay(REFERENCE, 1.0, 0.0, 0.0), TimedWay(FAST, 1.7, 1e-5, 0.01)]


def asked(**train: Any) -> RunSettings:
    return RunSettings.parse({**TINY, "train": TINY["train"] | train})


def write_book(folder: Path, text: str) -> str:
    path = folder / "book.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path, list[Event]]:
    """A run that chose FAST and was stopped after its second step."""
    monkeypatch.setenv("MODOU_LANG", "en")
    monkeypatch.setattr(method, "choose_way", lambda *_: (FAST, TIMED))
    book, out = write_book(tmp_path, sentences(110, 1)), tmp_path / "run"
    told: list[Event] = []

    def stop() -> bool:
        return len(of_kind(told, Stepped)) >= 2

    for event in pretrain(book, asked(), out=out, should_stop=stop):
        told.append(event)
    return book, out, told


def chosen(folder: Path) -> Way:
    settings: RunSettings = Record.read(RunFolder(folder)).settings
    return way_of(settings)


def test_the_choice_is_told_with_its_ratio_and_frozen(begun: tuple[str, Path, list[Event]]) -> None:
    _, out, told = begun
    reasons = {name: (value, reason) for event in of_kind(told, Planned) for name, value, reason in event.choices}
    assert reasons["train.precision"][0] == "bfloat16" and "1.70 times" in reasons["train.precision"][1]
    assert reasons["train.attention"][0] == "products"
    assert chosen(out) == FAST
    recorded = read_stage(RunFolder(out), "plan")
    assert recorded is not None
    assert [way["ratio"] for way in recorded.numbers["ways"]] == [1.0, 1.7]


def test_a_resume_keeps_the_choice(begun: tuple[str, Path, list[Event]], monkeypatch: pytest.MonkeyPatch) -> None:
    book, out, _ = begun
    monkeypatch.setattr(method, "choose_way", lambda *_: pytest.fail("timed again"))
    told = list(pretrain(book, asked(), out=out))
    assert chosen(out) == FAST
    assert [event.step for event in of_kind(told, Stepped)] == [3, 4]


def test_replanning_times_anew_and_says_so(
    begun: tuple[str, Path, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    book, out, _ = begun
    seen: list[RunSettings] = []

    def choose(settings: RunSettings, seconds: float) -> tuple[Way, list[TimedWay]]:
        assert seconds > 0
        seen.append(settings)
        return REFERENCE, []

    monkeypatch.setattr(method, "choose_way", choose)
    request = RunRequest("pretrain", {"book": book_source(book)}, asked(), out, replan=True)
    told = list(run(request))
    assert not any(seen[0].is_set("train", name) for name in ("precision", "attention"))
    assert chosen(out).precision == "float32" and chosen(out).attention == "sdpa"
    assert any("timed anew: precision = float32" in event.text for event in of_kind(told, Notice))
    assert [event.step for event in of_kind(told, Stepped)] == [3, 4]


def test_a_finished_training_is_not_replanned(
    begun: tuple[str, Path, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    book, out, _ = begun
    list(pretrain(book, asked(), out=out, until="train"))
    monkeypatch.setattr(method, "choose_way", lambda *_: pytest.fail("timed again"))
    request = RunRequest("pretrain", {"book": book_source(book)}, asked(), out, until="train", replan=True)
    told = of_kind(list(run(request)), Notice)
    assert any("nothing for --replan" in event.text for event in told)
    assert chosen(out) == FAST


def test_several_processes_do_not_replan(begun: tuple[str, Path, list[Event]], monkeypatch: pytest.MonkeyPatch) -> None:
    book, out, _ = begun
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="one process"):
        list(run(RunRequest("pretrain", {"book": book_source(book)}, asked(), out, replan=True)))


def test_a_machine_that_lacks_the_way_says_so_and_names_the_remedy(
    begun: tuple[str, Path, list[Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    book, out, _ = begun
    monkeypatch.setattr(runner, "shortcomings", lambda _: ["this processor cannot"])
    told = of_kind(list(pretrain(book, asked(), out=out)), Notice)
    assert [(event.text, event.level) for event in told if "processor" in event.text] == [
        ("this processor cannot (--replan times the ways anew on this machine and chooses again)", "warning")
    ]
    assert chosen(out) == FAST


def test_what_is_forced_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method, "choose_way", lambda settings, _: (way_of(settings), []))
    book = write_book(tmp_path, sentences(110, 1))
    forced = asked(precision="bfloat16", attention="products")
    told = list(pretrain(book, forced, out=tmp_path / "run"))
    assert chosen(tmp_path / "run").precision == "bfloat16"
    assert not any("precision" in name for event in of_kind(told, Planned) for name, _, _ in event.choices)
