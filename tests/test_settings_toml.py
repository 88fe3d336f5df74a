"""Settings in a file: what a careless or hostile hand wrote is refused in one short line."""

import os
from pathlib import Path

import pytest

from modou.messages import UserError
from modou.settings.base import read_toml, write_toml
from modou.settings.run import RunSettings

HOSTILE = {
    "deep lists": "x = " + "[" * 5000 + "]" * 5000,
    "deep tables": "[model]\nwidth = " + "{a=" * 300 + "1" + "}" * 300,
    "a deep name": "[model]\nwidth" + ".a" * 3000 + " = 1",
    "a deep head": "[model.width" + ".a" * 3000 + "]\nx = 1",
    "digits": "[model]\nwidth = " + "9" * 9000,
    "hexadecimal digits": "[model]\nwidth = 0x" + "f" * 9000,
    "digits for a word": "[model]\nstyle = 0x" + "f" * 9000,
    "infinite": "[train]\nminutes = inf",
    "no number": "[train]\nminutes = nan",
    "a date": "[model]\nwidth = 1979-05-27",
    "a long word": '[model]\nwidth = "' + "x" * 9000 + '"',
    "zeros": "\0" * 1000,
    "no TOML": "x = [",
    "twice": "[model]\n[model]\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_short_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(HOSTILE[kind], encoding="utf-8")
    with pytest.raises(UserError) as error:
        RunSettings.parse(read_toml(path))
    assert len(str(error.value)) < 300 + len(str(path)) and "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    with pytest.raises(UserError, match=r"settings\.toml"):
        read_toml(path)
    path.write_bytes(b"x = '\xff'")
    with pytest.raises(UserError, match="not valid TOML"):
        read_toml(path)
    os.truncate(path, 2**40)
    with pytest.raises(UserError, match="is too large"):
        read_toml(path)


def test_half_a_character_is_written_as_what_stands_for_it(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(write_toml({"book": {"path": "b\udcff.txt"}}), encoding="utf-8")
    assert read_toml(path) == {"book": {"path": "b\ufffd.txt"}}
