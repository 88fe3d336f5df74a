"""`modou run` from a tiny book to its report, in both languages; run again, stopped, extended, asked for more."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from method_helpers import pretrain
from train_helpers import losses, metrics, of_kind, progress, sentences, tensors

from modou import storage
from modou.messages import UserError
from modou.pipeline.inputs import book_source
from modou.pipeline.runner import again as once_more
from modou.runs import checkpoints
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.stages import damage
from modou.settings.run import RunSettings
from modou.train.events import Ended, Event, Notice, Rescheduled, RunEnded, StageBegan, StageEnded, Started, Stepped

STEPS = 4
TINY: dict[str, dict[str, Any]] = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 2, "width": 16, "heads": 2, "context": 16, "dropout": 0.1},
    "train": {"steps": STEPS, "batch": 4, "evaluate_every": 2, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 500},
}
ENGLISH = "\n".join(
    f"The {('miller', 'heron', 'old bean', 'tailor')[n % 4]} {('kept', 'lost', 'sold')[n % 3]} {n + 2} "
    f"{('lanterns', 'spoons', 'letters')[n % 3]} by the {('mill', 'bridge')[n % 2]}, and nobody asked why."
    for n in range(50)
)


def asked(**groups: dict[str, Any]) -> RunSettings:
    return RunSettings.parse({name: TINY.get(name, {}) | groups.get(name, {}) for name in {*TINY, *groups}})


def write_book(folder: Path, text: str) -> str:
    path = folder / "book.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, list[Event]]:
    """A Chinese and English book of 3 KB, its finished run, and what it said."""
    folder = tmp_path_factory.mktemp("finished")
    book = write_book(folder, sentences(110, 1))
    return book, folder / "run", list(pretrain(book, asked(), out=folder / "run"))


@pytest.fixture
def again(finished: tuple[str, Path, list[Event]], tmp_path: Path) -> tuple[str, Path]:
    """A copy of it that a test may change."""
    shutil.copytree(finished[1], tmp_path / "run")
    return finished[0], tmp_path / "run"


def test_a_run_is_not_taken_for_a_text(finished: tuple[str, Path, list[Event]]) -> None:
    with pytest.raises(UserError, match="is a run, not a text"):
        book_source(str(finished[1]))


@pytest.mark.skipif(torch.cuda.is_available(), reason="has the device")
def test_a_missing_device_is_told_before_anything_is_made(tmp_path: Path) -> None:
    settings = RunSettings.parse({"train": {"device": "cuda"}})
    with pytest.raises(UserError, match="CUDA"):
        list(pretrain("storyteller", settings, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_every_stage_in_order_and_a_report(finished: tuple[str, Path, list[Event]]) -> None:
    _, folder, events = finished
    stages = [event.stage for event in of_kind(events, StageBegan)]
    assert stages == ["clean", "tokenizer", "shards", "plan", "train", "evaluate", "report"]
    end = events[-1]
    assert isinstance(end, RunEnded) and end.finished and end.folder == folder
    assert storage.read_json(folder / "report.json") == end.report
    assert (folder / "report.html").stat().st_size > 10_000
    assert end.report["training"]["steps"] == STEPS
    assert end.report["test"]["bits_per_char"] > 0 and end.report["split"]["way"] == "tail"
    assert end.report["baselines"]["kn5"]["bits_per_char"] > 0
    assert {"generated", "held_out", "kn5"} == set(end.report["novelty"])
    assert len(losses(folder)) == STEPS


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_report_is_written_in_either_language(
    again: tuple[str, Path], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODOU_LANG", language)
    _, folder = again
    (folder / "report.html").unlink()
    list(once_more(RunFolder(folder), "report", {}))
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f'lang="{language}' in page and len(page) > 10_000
    assert storage.read_json(folder / "report.json")["tokenizer"]["vocabulary"] == 330


def test_an_english_book(tmp_path: Path) -> None:
    events = list(pretrain(write_book(tmp_path, ENGLISH), asked(train={"steps": 2}), out=tmp_path / "run"))
    assert isinstance(events[-1], RunEnded) and events[-1].report["run"]["language"] == "en"
    assert events[-1].report["test"]["characters"] > 200


def test_a_finished_run_says_so_and_does_nothing(finished: tuple[str, Path, list[Event]]) -> None:
    book, folder, before = finished
    events = list(pretrain(book, asked(), out=folder))
    assert [type(event) for event in events] == [Notice, RunEnded]
    assert "is finished" in events[0].text and "report.html" in events[0].text
    assert events[1].report == before[-1].report


@pytest.mark.parametrize("extend", [False, True])
def test_other_settings_are_refused_with_the_differences(finished: tuple[str, Path, list[Event]], extend: bool) -> None:
    book, folder, _ = finished
    settings = (folder / "settings.toml").read_bytes()
    with pytest.raises(UserError, match=r"matrix_lr 0.02 → 0.5.*--out") as raised:
        list(pretrain(book, asked(optimizer={"matrix_lr": 0.5}, model={"layers": 3}), out=folder, extend=extend))
    assert "model.layers 2 → 3" in str(raised.value)
    assert (folder / "settings.toml").read_bytes() == settings
    assert (folder / "report.html").exists()


@pytest.mark.parametrize("extend", [False, True])
def test_another_book_is_refused(finished: tuple[str, Path, list[Event]], tmp_path: Path, extend: bool) -> None:
    other = write_book(tmp_path, sentences(110, 2))
    with pytest.raises(UserError, match="was begun otherwise"):
        list(pretrain(other, asked(), out=finished[1], extend=extend))


@pytest.mark.parametrize("file", ["corpus/cleaned.txt", "corpus/split.json", "tokenizer/tokenizer.model"])
def test_a_stage_whose_files_changed_is_made_again(again: tuple[str, Path], file: str) -> None:
    """It is told, and ends in the same bytes."""
    book, folder = again
    before = (folder / file).read_bytes()
    (folder / "report.json").unlink()
    (folder / file).write_bytes(bytes([before[0] ^ 1]) + before[1:])
    events = list(pretrain(book, asked(), out=folder))
    told = [event.text for event in of_kind(events, Notice)]
    assert any(Path(file).name in line and "made again" in line for line in told)
    assert (folder / file).read_bytes() == before and events[-1].finished


def test_figures_and_text_are_not_read_from_what_changed(again: tuple[str, Path]) -> None:
    _, folder = again
    text = folder / "corpus" / "cleaned.txt"
    text.write_bytes(text.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"cleaned\.txt"):
        list(once_more(RunFolder(folder), "evaluate", {}))
    assert "was changed after it was written" in str(damage(RunFolder(folder), "clean"))


def test_a_run_goes_on_without_its_book(again: tuple[str, Path], tmp_path: Path) -> None:
    book, folder = again
    moved = folder.rename(tmp_path / "elsewhere")
    (moved / "report.json").unlink()
    Path(book).rename(tmp_path / "gone.txt")
    try:
        assert list(pretrain(None, RunSettings(), moved))[-1].finished
        assert list(pretrain(None, RunSettings.parse({"train": {"steps": 1}}), moved, extend=True))[-1].finished
        with pytest.raises(UserError, match=r"there is no .*book\.txt"):
            list(pretrain(book, RunSettings(), moved))
    finally:
        (tmp_path / "gone.txt").rename(book)


def test_a_book_that_changed_is_told_as_changed(again: tuple[str, Path]) -> None:
    book, folder = again
    text = Path(book).read_text(encoding="utf-8")
    Path(book).write_text(text + "多了一行。\n", encoding="utf-8")
    try:
        with pytest.raises(UserError, match="has changed since") as raised:
            list(pretrain(book, asked(), out=folder))
        assert f"modou run --out {folder}" in str(raised.value) and "--extend" not in str(raised.value)
    finally:
        Path(book).write_text(text, encoding="utf-8")


def test_extending_trains_longer_from_the_last_checkpoint(again: tuple[str, Path]) -> None:
    book, folder = again
    first = losses(folder)
    events = list(pretrain(book, asked(), out=folder, extend=True))
    started = of_kind(events, Started)[0]
    assert (started.step, started.steps) == (STEPS, 2 * STEPS)
    assert losses(folder)[:STEPS] == first and len(losses(folder)) == 2 * STEPS
    rates = [line["metrics"]["learning_rate"] for line in metrics(folder) if line["kind"] == "step"]
    assert rates[STEPS] > 1.9 * rates[STEPS - 1] and rates[-1] < rates[STEPS - 1]
    assert events[-1].report["training"]["steps"] == 2 * STEPS
    events = list(pretrain(book, asked(), out=folder))  # the command it began with
    assert [type(event) for event in events] == [Notice, RunEnded] and "is finished" in events[0].text


def test_an_extension_that_was_stopped_is_taken_up_not_extended_again(again: tuple[str, Path]) -> None:
    book, folder = again
    more = asked(train={"steps": 3})
    events = pretrain(book, more, out=folder, extend=True)
    for event in events:
        if isinstance(event, Stepped):
            events.close()  # as a kill: nothing was saved since
            break
    stopping = pretrain(book, more, out=folder, extend=True, should_stop=Stop(after=2))
    assert [event.step for event in stopping if isinstance(event, Ended)] == [STEPS + 1]
    last = list(pretrain(book, more, out=folder, extend=True))
    assert [event.step for event in of_kind(last, Stepped)] == [STEPS + 2, STEPS + 3]
    assert progress(folder)["planned"] == STEPS + 3


class Stop:
    """Asks for a stop at the call numbered `after` (from 1) and ever after: the first call is before training."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_a_stop_saves_ends_and_the_same_command_goes_on(
    finished: tuple[str, Path, list[Event]], tmp_path: Path
) -> None:
    book, whole, _ = finished
    folder = tmp_path / "run"
    first = list(pretrain(book, asked(), out=folder, should_stop=Stop(after=2)))
    assert isinstance(first[-1], RunEnded) and not first[-1].finished
    assert of_kind(first, Ended)[0].reason == "interrupted" and of_kind(first, Ended)[0].step == 1
    assert not (folder / "report.json").exists()
    assert checkpoints.steps(folder / "checkpoints") == [1]
    second = list(pretrain(book, asked(), out=folder))
    assert all(event.skipped for event in of_kind(second, StageEnded)[:2])
    assert isinstance(second[-1], RunEnded) and second[-1].finished
    assert (folder / "samples.jsonl").read_bytes() == (whole / "samples.jsonl").read_bytes()
    assert metrics(folder) == metrics(whole)
    for name, tensor in tensors(whole).items():
        assert tensors(folder)[name].equal(tensor)


def test_a_stop_before_training_trains_nothing(finished: tuple[str, Path, list[Event]], tmp_path: Path) -> None:
    events = list(pretrain(finished[0], asked(), out=tmp_path / "run", should_stop=lambda: True))
    assert isinstance(events[-1], RunEnded) and not events[-1].finished and not of_kind(events, Stepped)


@pytest.mark.slow
def test_minutes_alone_plan_and_keep_to_the_time(finished: tuple[str, Path, list[Event]], tmp_path: Path) -> None:
    """A run whose planned pace is never reached ends early by itself, and says so."""
    folder = tmp_path / "run"
    settings = RunSettings.parse({group: values for group, values in TINY.items() if group != "train"})
    list(pretrain(finished[0], settings, out=folder, minutes=0.05, should_stop=lambda: True))
    record = Record[RunSettings].read(RunFolder(folder))
    steps = record.settings.train.steps
    record.with_settings(record.settings.with_values({"train": {"steps": 100 * steps}})).write(RunFolder(folder))
    events = list(pretrain(finished[0], settings, out=folder, minutes=0.05))
    assert of_kind(events, Rescheduled) and of_kind(events, Rescheduled)[0].before == 100 * steps
    assert of_kind(events, Ended)[0].reason == "finished"
    assert of_kind(events, Ended)[0].step < 100 * steps


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (lambda out: pretrain(None, RunSettings(), out, until="shards"), "not a run folder"),
        (lambda out: pretrain(None, RunSettings(), out, until="train"), "not a run folder"),
        (lambda out: once_more(RunFolder(out), "evaluate", {}), "run"),
        (lambda out: once_more(RunFolder(out), "report", {}), "run"),
    ],
)
def test_a_stage_without_the_one_before_says_which(tmp_path: Path, command: Any, key: str) -> None:
    with pytest.raises(UserError, match=key):
        list(command(tmp_path / "none"))


@pytest.mark.slow
def test_stages_one_by_one_are_the_whole_run(finished: tuple[str, Path, list[Event]], tmp_path: Path) -> None:
    book, whole, _ = finished
    folder = tmp_path / "run"
    list(pretrain(book, asked(), folder, until="clean"))
    list(pretrain(None, RunSettings(), folder, until="shards"))
    list(pretrain(None, RunSettings(), folder, until="train"))
    assert metrics(folder) == metrics(whole)
    list(once_more(RunFolder(folder), "evaluate", {}))
    list(once_more(RunFolder(folder), "report", {}))
    one, two = (storage.read_json(path / "report.json") for path in (folder, whole))
    for group in ("test", "validation", "baselines", "novelty", "tokenizer", "split", "model"):
        assert one[group] == two[group]
