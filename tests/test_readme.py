"""The commands of both READMEs, as written, in a fresh folder with the files they name."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from modou.corpora.storyteller.book import write_book

ROOT = Path(__file__).parent.parent
READMES = {"README.md": ("novel.txt", "en"), "README.zh-CN.md": ("我的小说.txt", "zh")}


def commands(readme: str) -> list[str]:
    """The modou lines of all shell blocks, comments taken off."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line.split("   #")[0].split(" # ")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("modou ")]


def run(words: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command prints; nobody types to it."""
    done = subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("readme", READMES)
def test_the_commands_of_the_readme_work_as_written(readme: str, tmp_path: Path) -> None:
    name, language = READMES[readme]
    (tmp_path / name).write_text("\n\n".join(write_book(language, 60_000, 5)), encoding="utf-8")
    environment = os.environ | {"MODOU_MAX_MINUTES": "0.05", "MODOU_LANG": language}
    listed = commands(readme)
    assert len(listed) >= 8
    for line in listed:
        words = [sys.executable, "-m", *shlex.split(line)]
        run(words, tmp_path, environment)
    assert (tmp_path / "runs/steps/report.html").exists()
    programs = re.findall(
        r"^```python\n(.*?)^```", (ROOT / readme).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert len(programs) == 1
    assert run([sys.executable, "-c", programs[0]], tmp_path, environment).count("\n") > 5


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = (commands(readme) for readme in READMES)
    plain = [line.replace("我的小说", "novel").replace("storyteller ", "storyteller-en ") for line in chinese]
    assert [line.split()[1] for line in english] == [line.split()[1] for line in plain]
