"""What a run looks like: harmless text, lines that fit, a live panel on a terminal and plain lines elsewhere."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from modou.cli import console
from modou.cli.live import LiveDisplay, PlainDisplay
from modou.cli.main import main
from modou.cli.plain import beside, cell_len, clip, first_sentence, harmless, one_line, wrap
from modou.cli.progress import StageState, TrainingState
from modou.cli.signals import StopSignals
from modou.cli.words import Event, ending, findings
from modou.messages import quoted
from modou.report.words import Words
from modou.train import events
from modou.train.events import Measured, Notice, Planned, RunEnded, StageBegan, StageEnded, StageProgress

EVIL = "\x1b[31m红\x1b[0m\x1b]0;owned\x07色[bold]字[/bold]\r\x08\x9b2J\u202e倒\u2028。后面的话。"
CARD = {"vocabulary": 512, "train": {"characters_per_token": 1.5, "round_trip": {"exact": True}}}
FACTS = {
    "cleaning": {
        "characters": {"input": 1234, "output": 1200},
        "chapters": 12,
        "rules": {"headings": {"count": 12, "characters": 90}, "spaces": {"count": 0, "characters": 0}},
        "notes": [{"key": "text.note_skipped", "text": "bad.txt was passed over"}],
    },
    "split": {"characters": {"train": 1000, "validation": 100, "test": 100}},
}
REPORT: dict[str, Any] = {
    "test": {"bits_per_char": 5.0},
    "baselines": {"kn5": {"bits_per_char": 5.57}},
    "advantage": {"kn5": {"bits_per_char": 0.57, "interval": [0.5, 0.6]}},
    "final_samples": [{"prompt": "却说", "text": EVIL}],
    "advice": ["more text"],
}


def story(folder: Path, steps: int = 4) -> Iterator[Event]:
    """A whole run's events."""
    yield StageBegan("clean", 1, 7)
    yield StageProgress("clean", 1, 2)
    yield StageEnded("clean", FACTS)
    yield StageEnded("tokenizer", CARD, skipped=True)
    yield StageEnded("shards", {"tokens": 800, "documents": 12})
    yield StageBegan("plan", 4, 7)
    yield Planned((("model.layers", 2, "as deep as\x1b[1m needed"),), 5.2)
    yield StageBegan("train", 5, 7)
    yield Measured(1e11, 1e6, "cpu")
    yield events.Started(0, steps, ("step-00000001: size",))
    for step in range(1, steps + 1):
        yield events.Stepped(step, steps, 0.1 * step, 0.1, 100, {"loss": 3.0 / step, "bits_per_char": 6.0 / step})
    numbers = {"validation": {"bits_per_char": 5.5}, "average": {"validation": {"bits_per_char": 5.4}}}
    yield events.Evaluated(steps, 0.4, numbers, True)
    yield events.Sampled(steps, (events.Sample("却说", 1, EVIL),))
    yield events.Rescheduled(9, steps)
    yield events.Ended(steps, 0.4, "finished")
    yield StageEnded("train", {"stopped": "finished"})
    yield StageEnded("evaluate", {"test": {"bits_per_char": 5.0}})
    yield Notice("look here", "warning")
    yield RunEnded(folder, True, REPORT)


def plain(folder: Path) -> list[str]:
    stream = io.StringIO()
    console.watch(story(folder), PlainDisplay(stream, lambda: 0.0))
    return stream.getvalue().splitlines()


def test_plain_lines_tell_everything_without_control_codes(tmp_path: Path) -> None:
    lines = plain(tmp_path)
    page = "\n".join(lines)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", page)
    for said in (
        "[1/7] clean: 1,200 characters, 12 chapters; changed: chapter headings (12); 1,000 for training",
        "! bad.txt was passed over",
        "done before · vocabulary 512, 1.50 characters per token; restores the text exactly",
        "800 tokens",
        "[4/7] plan: 5.20 bits per character expected",
        "model.layers = 2  as deep as needed",
        "! damaged: step-00000001: size",
        "step 4/4",
        "step 4: validation 5.50 bits/char (averaged 5.40), the best so far · 却说红色[bold]字[/bold]倒。",
        "! at this pace the time allows 4 steps (9 planned)",
        "! look here",
    ):
        assert said in page
    assert len([line for line in lines if line.startswith("step ")]) == 2, "the first step, and the last"


def test_the_end_is_five_lines(tmp_path: Path) -> None:
    lines = plain(tmp_path)[-5:]
    assert "5.00" in lines[0] and "5.57" in lines[0] and "0.57" in lines[0]
    assert lines[1].startswith("It writes: 却说红")
    assert lines[2] == f"Report: {tmp_path / 'report.html'}"
    assert lines[3] == f'Let it continue a text: modou generate {tmp_path} "却说"'
    assert lines[4] == "What would help most: more text"


def noted(*notes: tuple[str, str]) -> list[str]:
    """What is said of a cleaning with these notes (key, text), below the line of the stage."""
    stream = io.StringIO()
    rows = [{"key": key, "text": note} for key, note in notes]
    ended = StageEnded("clean", {"cleaning": {**FACTS["cleaning"], "notes": rows}})
    console.watch(iter([StageBegan("clean", 1, 7), ended]), PlainDisplay(stream))
    head, *lines = stream.getvalue().splitlines()
    assert head.startswith("[1/7] clean: ")
    return lines


RULES = {
    "punctuation": {"count": 1080, "characters": 1080, "examples": [{"before": "云上,有人", "after": "云上，有人"}]},
    "control": {"count": 2, "characters": 3, "examples": [{"before": f"{'a' * 90}[U+200B]", "after": "a" * 90}]},
    "headings": {"count": 12, "characters": 90, "examples": [{"before": "第一章 井" * 9, "after": ""}]},
    "duplicates": {"count": 0, "characters": 0, "examples": []},
}


def table(monkeypatch: pytest.MonkeyPatch, columns: int, rules: dict[str, Any]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = io.StringIO()
    ended = StageEnded("clean", {**FACTS, "cleaning": {**FACTS["cleaning"], "rules": rules, "notes": []}})
    console.watch(iter([StageBegan("clean", 1, 7), ended]), PlainDisplay(stream, changes=True))
    head, *lines = stream.getvalue().splitlines()
    assert head.startswith("[1/7] clean: 1,200 characters, 12 chapters; 1,000 for training")
    return lines


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_modou_clean_shows_before_and_after_side_by_side(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    head, *rows = table(monkeypatch, columns, RULES)
    before, after = (cell_len(head[: head.index(word)]) for word in ("Before", "After"))
    assert [row.split()[0] for row in rows] == ["half-width", "chapter", "control"]
    assert all(cell_len(row) <= columns for row in rows)
    sides = [(cut(row, before, after), cut(row, after, columns)) for row in rows]
    assert sides[0] == ("云上,有人", "云上，有人")
    assert sides[1][0].startswith("第一章 井") and sides[1][1] == "(removed)"
    assert sides[2][0].endswith("aaa[U+200B]") and sides[2][1].endswith("aaa")


def cut(row: str, start: int, end: int) -> str:
    """What stands in these cells of a row."""
    places = [cell_len(row[:at]) for at in range(len(row))]
    return "".join(char for char, place in zip(row, places, strict=True) if start <= place < end).strip()


def test_the_table_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = table(monkeypatch, 80, {f"rule{n}": {"count": 1, "characters": n} for n in range(30)})
    assert len(lines) == 12 and lines[1].split() == ["rule29", "1"] and lines[-1].strip() == "… (+20)"
    assert table(monkeypatch, 80, {}) == []


def test_modou_clean_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = tmp_path / "book.txt"
    tale = "豆子在井边发了芽，青藤一夜长到云上。"
    book.write_text("".join(f"第{n}章 井\n{tale}第{n}次,又一次。\n\n" for n in range(1, 30)), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["clean", str(book), "--out", str(tmp_path / "run")])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Rule", "Times", "Before", "After"] in lines
    assert ["chapter", "headings", "29", "第1章", "井", "(removed)"] in lines


def test_several_files_are_counted_by_format() -> None:
    def said(formats: dict[str, int], passed: int) -> str:
        numbers = {"cleaning": {**FACTS["cleaning"], "formats": formats, "not_read": passed}}
        return "; ".join(findings("clean", numbers, Words("en")))

    found = said({"plain": 1200, "subtitles": 1}, 2)
    assert "12 chapters; read: 1,201 files (1,200 plain text, 1 subtitles); passed over: 2; changed" in found
    assert "read: 1 files (1 plain text); passed over: 1; " in said({"plain": 1}, 1)
    assert "read" not in said({"plain": 1}, 0) and "passed" not in said({"plain": 2}, 0)


def test_notes_are_told_by_kind_the_first_three_and_how_many_more() -> None:
    skipped = [("text.note_skipped", f"{n}.txt was skipped") for n in range(9)]
    bad = [("text.note_bad_rows", f"{n}.jsonl: 1 of 4 rows were skipped") for n in range(3)]
    lines = noted(*skipped[:2], ("text.note_tail", "only 900 characters"), *bad, *skipped[2:])
    assert lines == [
        "! 0.txt was skipped",
        "! 1.txt was skipped",
        "! 2.txt was skipped",
        "! 6 more like these are listed in cleaning.json",
        "! only 900 characters",
        *(f"! {n}.jsonl: 1 of 4 rows were skipped" for n in range(3)),
    ]
    assert noted(*skipped[:3]) == [f"! {n}.txt was skipped" for n in range(3)]
    assert noted() == []


@pytest.mark.parametrize("name", ["\x1b[2Ka\x1b]0;x\x07b\rc", "a\nb\r\nc", "a\u202ebc\x9b1m"])
def test_a_file_name_in_a_note_does_not_move_the_cursor(name: str) -> None:
    (line,) = noted(("text.note_skipped", f"{name} was skipped"))
    assert re.fullmatch(r"! a ?b ?c was skipped", line)


def test_a_stage_that_takes_long_tells_the_time_left() -> None:
    now, stream = [0.0], io.StringIO()
    display = PlainDisplay(stream, lambda: now[0])
    display.show(StageBegan("clean", 1, 7))
    for second in range(1, 21):
        now[0] = float(second)
        display.show(StageProgress("clean", second / 40, 1))
    display.show(StageProgress("clean", 0.6, 0))
    lines = stream.getvalue().splitlines()
    assert lines == [
        f"[1/7] clean: {share}  {left} s left" for share, left in (("5%", 38), ("18%", 33), ("30%", 28), ("42%", 23))
    ]


def test_a_stage_soon_over_tells_no_time() -> None:
    state = StageState(clock=lambda: 1.0)
    state.take(StageBegan("evaluate", 6, 7))
    assert state.line(Words("en")) == ""
    state.take(StageProgress("evaluate", 1, 4))
    assert state.line(Words("en")) == "25%" and state.seconds_left is None
    state.take(StageEnded("evaluate"))
    assert state.line(Words("en")) == ""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_event_shows_a_raw_key(language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODOU_LANG", language)
    page = "\n".join(plain(tmp_path))
    assert "console." not in page and "{" not in page
    assert ("清洗" in page) == (language == "zh")


def test_an_end_without_numbers_still_says_where_and_what_next(tmp_path: Path) -> None:
    assert [line.split(":")[0] for line in ending(tmp_path, {})] == ["Let it continue a text"]
    assert len(list(ending(tmp_path, {"test": {"bits_per_char": None}, "advice": []}))) == 2


def test_undecided_and_worse_are_said_as_such(tmp_path: Path) -> None:
    for gain, ends, says in ((0.1, [-0.1, 0.3], "not significant"), (-0.5, [-0.6, -0.4], "is worse")):
        report = {**REPORT, "advantage": {"kn5": {"bits_per_char": gain, "interval": ends}}}
        assert says in next(ending(tmp_path, report))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_live_panel_fits_its_terminal(width: int, tmp_path: Path) -> None:
    stream = io.StringIO()
    face = Console(file=stream, force_terminal=True, width=width, height=30, markup=False, highlight=False)
    display = LiveDisplay(face)
    panels: list[str] = []
    with display:
        for event in story(tmp_path):
            display.show(event)
            if isinstance(event, events.Sampled):
                display.stopping()
            page = io.StringIO()
            Console(file=page, width=width, markup=False, highlight=False).print(display.panel())
            panels.append(page.getvalue())
    shown = [line for panel in panels for line in panel.splitlines()]
    assert all(cell_len(line) <= width for line in shown)
    page = "\n".join(shown)
    assert "4/4" in page and "written at step 4" in page and "[bold]" in page and "owned" not in page
    assert "saved, then modou stops" in " ".join(page.split()) or width == 40
    assert "\x1b[?25h" in stream.getvalue(), "the cursor comes back"


def test_the_state_smooths_and_foresees() -> None:
    now = [0.0]
    state = TrainingState(clock=lambda: now[0])
    assert state.seconds_left is None and state.share_of_peak is None and state.memory_mb is None
    state.take(events.Started(10, 110))
    state.take(Measured(1e9, 1e5, "cpu"))
    for step in range(11, 61):
        now[0] += 2.0
        state.take(events.Stepped(step, 110, 0.0, 1.0, 1000, {"loss": 2.0, "bits_per_char": 4.0}))
    assert state.seconds_left == pytest.approx(100.0)
    assert state.tokens_per_second == pytest.approx(1000.0)
    assert state.share_of_peak == pytest.approx(0.1)
    assert (state.loss, state.train_bits) == (pytest.approx(2.0), pytest.approx(4.0))
    assert "utilisation 10.0%" in state.line(Words("en"))
    state.take(events.Stepped(61, 110, 0.0, 1.0, 1000, {"loss": 22.0}))
    assert state.loss == pytest.approx(3.0), "one step moves the mean by a twentieth"


def test_one_training_may_follow_another() -> None:
    state = TrainingState()
    state.take(Measured(1e9, 1e5, "cpu"))
    state.take(events.Started(0, 2))
    state.take(events.Stepped(1, 2, 0.0, 1.0, 1000, {"loss": 2.0, "bits_per_char": 4.0, "reward": 1.0}))
    state.take(events.Started(0, 5))
    state.take(events.Stepped(1, 5, 0.0, 1.0, 10, {"loss": 0.5}))
    line = state.line(Words("en"))
    assert "loss 0.500" in line and "tokens/s 10 " in line
    assert "bits" not in line and "utilisation" not in line and "reward" not in line


def test_the_outcome_is_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = console.watch(story(tmp_path), PlainDisplay(io.StringIO()))
    console.print_json({**outcome.to_json(), "odd": float("nan")})
    values = json.loads(capsys.readouterr().out)
    assert values["run"] == {"folder": str(tmp_path), "finished": True}
    assert values["test"]["bits_per_char"] == 5.0 and values["odd"] is None
    assert values["notices"] == ["damaged: step-00000001: size", "look here"]


def test_a_stop_outside_training_ends_the_run_and_closes_it(tmp_path: Path) -> None:
    closed: list[bool] = []

    def endless() -> Iterator[Event]:
        try:
            while True:
                yield StageProgress("tokenizer", 1, 2)
        finally:
            closed.append(True)

    with pytest.raises(KeyboardInterrupt):
        console.watch(endless(), PlainDisplay(io.StringIO()), lambda: True)
    assert closed == [True]


def test_a_stop_in_training_is_left_to_the_loop(tmp_path: Path) -> None:
    stopped = [events.Started(0, 9), events.Stepped(1, 9, 1.0, 1.0, 5, {}), events.Ended(1, 1.0, "interrupted")]
    outcome = console.watch(iter([*stopped, RunEnded(tmp_path, False)]), PlainDisplay(io.StringIO()), lambda: True)
    assert outcome.interrupted


def test_the_second_signal_interrupts() -> None:
    import signal

    said: list[bool] = []
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals(lambda: said.append(True)) as signals:
        assert not signals.requested()
        signal.raise_signal(signal.SIGTERM)
        assert signals.requested() and said == [True]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_texts_stream_one_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    pages = console.Pages("从前", 2)
    pages.begin()
    for sample, piece, done in ((1, "乙", False), (0, "甲\x1b", False), (1, "。", True), (0, "！", True)):
        pages.push(sample, piece, done)
    assert capsys.readouterr().out == "── text 1 ──\n从前甲！\n\n── text 2 ──\n从前乙。\n"


def test_words_for_a_shell() -> None:
    assert quoted("runs/小说", plain=True) == "runs/小说"
    assert quoted("my run", plain=True) == '"my run"'
    assert quoted("a$b") == "'a$b'"


@given(st.text())
def test_nothing_that_a_model_writes_can_touch_the_terminal(text: str) -> None:
    shown = harmless(text + EVIL)
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in shown)
    assert "\n" not in one_line(text)


@given(st.text(), st.integers(2, 60))
def test_a_clipped_text_fits(text: str, cells: int) -> None:
    line = clip(text, cells)
    assert cell_len(line) <= cells and "\n" not in line


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Mn", "Me", "Mc"])), st.integers(20, 60))
def test_wrapping_loses_nothing_and_fits(text: str, cells: int) -> None:
    lines = wrap(text, cells)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(cell_len(line) <= cells for line in lines)


def test_chinese_wraps_between_characters_but_no_line_begins_with_a_stop() -> None:
    lines = wrap("山高路远，水长天阔，走到天黑，也没有看见一个人。" * 3, 24)
    assert all(cell_len(line) <= 24 and line[0] not in "，。" for line in lines)
    assert beside("--x", "说明", 2, 10, 40) == ["  --x     说明"]
    assert beside("--longer-than-that", "说明", 2, 10, 40) == ["  --longer-than-that", "          说明"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("他走了。她来了。", "他走了。"),
        ("“你来了！”她说。", "“你来了！”"),
        ("He left. She came.", "He left."),
        ("没有句号", "没有句号"),
        ("", ""),
    ],
)
def test_the_first_sentence(text: str, first: str) -> None:
    assert first_sentence(text) == first
