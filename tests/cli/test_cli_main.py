"""The command line from outside: help in both languages, one line for every mistake, exit statuses, nothing heavy."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modou.cli import main as cli
from modou.cli.arguments import COMMANDS
from modou.cli.main import status_of
from modou.cli.plain import cell_len, harmless
from modou.messages import UserError, catalogue

TINY = (
    *("--layers", "1", "--width", "16", "--model.heads", "2", "--model.context", "16", "--tokenizer.vocabulary", "512"),
    *("--train.steps", "4", "--train.batch", "2", "--train.evaluate_every", "2", "--evaluate.quick_characters", "200"),
    *("--evaluate.written_characters", "500"),
)


def modou(*argv: str, env: dict[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "modou", *argv],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "MODOU_LANG": "en", **(env or {})},
        timeout=600,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps on a small invented book."""
    folder = tmp_path_factory.mktemp("cli")
    book, out = folder / "book.txt", folder / "a run"
    assert modou("corpus", "storyteller", str(book), "--size", "90000").returncode == 0
    done = modou("run", str(book), "--out", str(out), *TINY)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "Report: " in done.stdout and f'modou generate "{out}"' in done.stdout
    return out


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_complete_and_fits(
    command: str, language: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert status_of([word for word in (command, "--help", "--lang", language) if word]) == 0
    page = capsys.readouterr().out
    assert not any(f"help.{key}" in page for key in catalogue("help")), "a raw key"
    assert "{" not in page
    for name in COMMANDS if not command else ():
        assert f"  {name} " in page
    # Examples and long option names are never broken: they are there to be copied.
    long = [line for line in page.splitlines() if cell_len(line) > 80 and "modou " not in line and "--" not in line]
    assert not long
    if language == "zh" and command:
        assert "常用选项" in page and "Common options" not in page


def test_help_of_a_command_by_either_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["help", "run"]) == status_of(["run", "-h"]) == status_of(["run", "--minutes", "3", "--help"]) == 0
    pages = capsys.readouterr().out.split("Usage: ")
    assert pages[1] == pages[2] == pages[3]


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["run", "--help"], ["--lang", "zh"], ["nonsense"]])
def test_nothing_heavy_is_imported_for_help_and_mistakes(argv: list[str]) -> None:
    code = (
        "import sys\nfrom modou.cli.main import status_of\n"
        f"status_of({argv!r})\n"
        "heavy = {'torch', 'numpy', 'sentencepiece', 'matplotlib', 'transformers', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_overview_needs_no_settings() -> None:
    code = "import sys\nfrom modou.cli.main import status_of\nstatus_of([])\nassert 'pydantic' not in sys.modules\n"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120).returncode == 0


MISTAKES = [
    (["runn"], "run"),
    (["run"], "storyteller"),
    (["run", "b", "--minuts", "3"], "--minutes"),
    (["run", "b", "--minutes", "soon"], "'soon'"),
    (["run", "b", "--minutes", "nan"], "--train.minutes"),
    (["run", "b", "--minutes", "-1"], "≥ 0"),
    (["run", "b", "--layers", "0"], "--model.layers = 0"),
    (["run", "b", "--layers", "two"], "'two'"),
    (["run", "b", "--layers", "9" * 5000], "--model.layers"),
    (["run", "b", "--style", "baroque"], "classic, modern"),
    (["run", "b", "--train.device", "paper"], "--train.device"),
    (["run", "b", "--sampling.temperature", "inf"], "--sampling.temperature"),
    (["run", "b", "--sampling.stop", ""], "--sampling.stop"),
    (["run", "b", "--width", "100", "--model.heads", "3"], "--model.width"),
    (["run", "b", "--preset", "nonesuch"], "nonesuch"),
    (["run", "b", "--preset", "nonesuch.toml"], "nonesuch.toml"),
    (["run", "no-such-book.txt", "--minutes", "1"], "no-such-book.txt"),
    (["run", "--out", "no-such-run"], "no-such-run"),
    (["plan"], "BOOK"),
    (["generate"], "RUN"),
    (["generate", "no-such-run", "x"], "no-such-run"),
    (["generate", "r", "--checkpoint", "newest"], "latest"),
    (["generate", "r", "--device", "abacus"], "cuda"),
    (["chat"], "RUN"),
    (["chat", "no-such-run"], "no-such-run"),
    (["chat", "r", "--sampling.samples", "2"], "--sampling.samples"),
    (["chat", "r", "--json"], "--json"),
    (["evaluate"], "RUN"),
    (["evaluate", "a", "--out", "b"], "a"),
    (["report", "no-such-run"], "no-such-run"),
    (["doctor", "no-such-run"], "no-such-run"),
    (["corpus", "nonesuch", "file.txt"], "nonesuch"),
    (["--lang", "fr"], "fr"),
    (["run", "b", "--json=yes"], "--json"),
]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("argv", "says"), MISTAKES, ids=[" ".join(argv)[:60] for argv, _ in MISTAKES])
def test_a_mistake_is_one_line_and_status_2(
    argv: list[str],
    says: str,
    language: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODOU_LANG", language)
    assert status_of(argv) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("modou: ") and shown.err.count("\n") == 1 and len(shown.err) < 400
    assert says in shown.err
    assert any("\u4e00" <= character <= "\u9fff" for character in shown.err) == (language == "zh")
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


def test_an_error_of_ours_shows_its_trace_and_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(argv: list[str]) -> int:
        raise ZeroDivisionError("here")

    monkeypatch.setattr(cli, "dispatch", broken)
    assert status_of([]) == 1
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: here" in shown and "not your fault" in shown


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (KeyboardInterrupt(), 130, "goes on from there"),
        (UserError("cli.no_book"), 2, "modou run"),
        (PermissionError(13, "denied", "x"), 2, "denied"),
        (MemoryError(), 2, "micro_batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "micro_batch"),
        (RuntimeError("odd"), 1, "report"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_every_exception_has_its_status(
    error: BaseException,
    status: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "dispatch", broken)
    assert status_of(["run"]) == status
    assert says in capsys.readouterr().err


def test_ctrl_c_is_quiet_where_nothing_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(argv: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "dispatch", interrupted)
    assert status_of(["generate"]) == 130
    assert capsys.readouterr() == ("", "")


def test_a_reader_that_leaves_is_no_error() -> None:
    code = f"'{sys.executable}' -m modou run --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", code], capture_output=True, encoding="utf-8", timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_console_without_chinese_does_not_crash() -> None:
    done = modou("--help", env={"PYTHONIOENCODING": "ascii", "MODOU_LANG": "zh"})
    assert done.returncode == 0 and "modou" in done.stdout
    done = modou("泡", env={"PYTHONIOENCODING": "latin-1", "MODOU_LANG": "zh"})
    assert done.returncode == 2


@pytest.mark.slow
def test_generate_streams_repeats_itself_and_speaks_json(trained: Path) -> None:
    argv = ("generate", str(trained), "话说", "--tokens", "20", "--samples", "2")
    shown = modou(*argv)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("话说") >= 2 and "text 2" in shown.stdout and shown.stderr == ""
    assert modou(*argv).stdout == shown.stdout
    answer = json.loads(modou(*argv, "--json").stdout)
    assert len(answer["samples"]) == 2 and all(sample["tokens"] <= 20 for sample in answer["samples"])
    assert answer["prompt"] == "话说"
    assert all(harmless(sample["text"]) in shown.stdout for sample in answer["samples"])


@pytest.mark.slow
def test_generate_continues_what_standard_input_holds(trained: Path) -> None:
    done = modou("generate", str(trained), "-", "--tokens", "5", "--json", stdin="你是谁？\n")
    answer = json.loads(done.stdout)
    assert answer["prompt"] == "你是谁？" and answer["notices"] == [] and done.stderr == ""
    long = modou("generate", str(trained), "-", "--tokens", "2", "--json", stdin="走了很远的路。" * 50)
    assert "more than the context of 16" in long.stderr


@pytest.mark.slow
def test_json_is_one_object_and_the_same_command_shows_the_report(trained: Path) -> None:
    again = modou("run", "--out", str(trained), "--json")
    report = json.loads(again.stdout)
    assert report["run"]["finished"] is True and report["run"]["folder"] == str(trained)
    assert report["test"]["bits_per_char"] > 0 and report["notices"]
    assert json.loads(modou("report", str(trained), "--json").stdout)


@pytest.mark.slow
def test_other_settings_are_refused_and_the_difference_named(trained: Path) -> None:
    done = modou("run", "--out", str(trained), "--layers", "2")
    assert done.returncode == 2 and "model.layers" in done.stderr and "--extend" in done.stderr


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    book, out = tmp_path / "book.txt", tmp_path / "run"
    assert modou("corpus", "storyteller", str(book), "--size", "90000").returncode == 0
    settings = [word if word != "4" else "100000" for word in TINY]
    argv = [sys.executable, "-m", "modou", "run", str(book), "--out", str(out), *settings]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    deadline = time.monotonic() + 300
    while not list(out.glob("checkpoints/step-*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    shown, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "goes on from there" in said and "Traceback" not in said + shown
    assert len(list(out.glob("checkpoints/step-*"))) >= 1
