"""The tutorial as written: its Python blocks print what stands below them, its commands work in order in one folder."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from modou.cli import arguments
from modou.cli.spec import PRESET
from modou.cli.table import COMMANDS

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial"
CHAPTERS = sorted(path.name for path in (TUTORIAL / "en").glob("[1-9]*.md"))
LANGUAGES = ("en", "zh")
FEW = {"poems.jsonl": 400, "train.jsonl": 300, "judge.jsonl": 40, "test.jsonl": 40}
"""Rows that are left of a task's files, so that an hour's commands take minutes."""
LESS = {"ppo": ("--rollout.prompts", "8")}
"""Options set over those of a command: before its first evaluation it writes several rounds, however short the time."""


def read(language: str, chapter: str) -> str:
    return (TUTORIAL / language / chapter).read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[str]:
    """The fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """The modou lines of all shell blocks."""
    return [line for block in blocks(text, "sh") for line in block.splitlines() if line.startswith("modou ")]


def told(text: str) -> list[str]:
    """The modou lines and options within sentences, on one line each."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]


def test_both_languages_have_the_same_chapters_and_blocks() -> None:
    assert len(CHAPTERS) == 6
    names = [sorted(path.name for path in (TUTORIAL / language).iterdir()) for language in LANGUAGES]
    assert names[0] == names[1] == [*CHAPTERS, "README.md"]
    for chapter in CHAPTERS:
        english, chinese = (read(language, chapter) for language in LANGUAGES)
        for kind in ("python", "text", "sh"):
            assert blocks(english, kind) == blocks(chinese, kind), f"{chapter}: {kind}"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_python_blocks_print_what_stands_below_them(chapter: str) -> None:
    pytest.importorskip("pypinyin")
    text = read("en", chapter)
    pairs = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    assert pairs and len(pairs) == len(blocks(text, "python")) == len(blocks(text, "text"))
    for code, shown in pairs:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, chapter, "exec"), {"__name__": "__main__"})
        assert said.getvalue() == shown


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("chapter", ["README.md", *CHAPTERS])
def test_commands_options_and_files_exist(language: str, chapter: str) -> None:
    """What is only told is not run, but it must be understood."""
    text = read(language, chapter)
    known = {flag for name in COMMANDS for option in arguments.options(name) for flag in option.flags}
    known |= {flag.replace("--", "--no-", 1) for flag in known}
    for code in [*commands(text), *told(text)]:
        words = shlex.split(code)
        if words[0] == "modou" and words[1:] and not words[1].startswith("/") and len(words) > 3:
            arguments.parse(words[1], words[2:])
        else:
            assert {word for word in words if word.startswith("--")} <= known, code
            if words[0].startswith("modou/"):
                assert (TUTORIAL.parent.parent / words[0]).is_file(), code
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (TUTORIAL / language / target).is_file(), target


def test_the_steps_call_presets_and_set_little_else() -> None:
    """Chapter by chapter, with less time, and without the KL penalty in the last one."""
    lines = [line for chapter in CHAPTERS for line in commands(read("en", chapter))]
    found: list[tuple[str | None, set[str]]] = []
    for words in map(shlex.split, lines):
        if words[1] in COMMANDS and PRESET in COMMANDS[words[1]].own:
            asked = arguments.parse(words[1], words[2:])
            options = {f"{group}.{name}" for group, values in asked.given.items() for name in values}
            assert asked.settings_of(COMMANDS[words[1]].root)
            found.append((asked["preset"], options - {"train.minutes"}))
    assert found == [
        ("poems.base", set()),
        ("poems.sft", set()),
        ("poems.reader", set()),
        ("poems.reward", {"reward.reference"}),
        ("poems.ppo", set()),
        ("poems.dpo", set()),
        ("poems.ppo", {"ppo.kl_weight", "rollout.rounds"}),
    ]


@pytest.mark.slow
def test_the_commands_of_all_chapters_work_in_order(data_folder: Path, tmp_path: Path) -> None:
    if not (data_folder / "poems_tang.jsonl.gz").is_file():
        pytest.skip("MODOU_DATA has no poems_tang.jsonl.gz")
    environment = os.environ | {"MODOU_MAX_MINUTES": "0.05", "MODOU_LANG": "en"}
    for line in [line for chapter in CHAPTERS for line in commands(read("en", chapter))]:
        words = [sys.executable, "-m", *shlex.split(line)]
        words += LESS.get(words[3], ())
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8")
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        if line.startswith("modou task "):
            shorten(tmp_path / shlex.split(line)[3])
    for name in ("distance", "compared", "two-ways", "hacking"):
        assert (tmp_path / "runs/poems" / name / "compare.html").is_file()
    for path in re.findall(r"`(runs/poems/[\w/-]+\.\w+)`", "".join(read("en", chapter) for chapter in CHAPTERS)):
        assert (tmp_path / path).exists() or path.endswith(("mine.jsonl", "again.jsonl")), path


def shorten(folder: Path) -> None:
    """Leaves the first rows of a task's files."""
    for name, count in FEW.items():
        with (folder / name).open(encoding="utf-8") as stream:
            rows = list(islice(stream, count))
        (folder / name).write_text("".join(rows), encoding="utf-8")
