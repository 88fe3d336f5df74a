"""`modou data chat`: a chat becomes conversations that `modou data check` accepts; one speaker is the assistant."""

import io
import json
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modou.cli.main import status_of
from modou.messages import UserError
from modou.pipeline.chat import LONGEST, convert
from modou.pipeline.check import check

BEGAN = datetime(2021, 3, 25, 9)
TALK = [
    (0, "Tam", "Morning."),
    (1, "Wren", "Morning!"),
    (2, "Wren", "Is the mill open?"),
    (3, "Tam", "It is."),
    (4, "Tam", "Come in."),
    (5, "Wren", "Soon."),
    (1000, "Wren", "Anyone there?"),
    (3000, "Wren", "And now?"),
    (3001, "Tam", "Yes, now."),
]
"""Minute, speaker, text."""


def written(talk: list[tuple[int, str, str]]) -> str:
    rows = ((BEGAN + timedelta(minutes=minute), name, text) for minute, name, text in talk)
    return "".join(f"{time:%d/%m/%Y, %H:%M} - {name}: {text}\n" for time, name, text in rows)


def rows(path: Path) -> list[list[tuple[str, str]]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [[(turn["role"], turn["content"]) for turn in json.loads(line)["messages"]] for line in lines]


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "mill.txt"
    path.write_text(written(TALK), encoding="utf-8")
    return path


def test_messages_of_one_side_are_a_turn_and_a_pause_ends_a_conversation(chat: Path) -> None:
    facts = convert(chat, "Tam")
    assert facts.out == str(chat.with_name("mill.chat.jsonl"))
    assert rows(Path(facts.out)) == [
        [("user", "Morning!\nIs the mill open?"), ("assistant", "It is.\nCome in.")],
        [("user", "And now?"), ("assistant", "Yes, now.")],
    ]
    assert (facts.conversations, facts.turns, facts.left_out, facts.left_out_messages) == (2, 4, 1, 3)
    assert facts.speakers == {"Wren": 5, "Tam": 4}


def test_what_is_written_is_accepted(chat: Path, tmp_path: Path) -> None:
    for name in ("Tam", "Wren"):
        out = tmp_path / f"{name}.jsonl"
        facts = convert(chat, name, out)
        found = check(out).facts
        assert (found.kinds, found.bad) == ({"conversation": facts.conversations}, 0)


def test_in_a_group_the_others_are_named(tmp_path: Path) -> None:
    path = tmp_path / "group.txt"
    path.write_text(written([(0, "Wren", "Open?"), (1, "阿禾", "几点？"), (2, "Tam", "At nine.")]), encoding="utf-8")
    facts = convert(path, "Tam")
    assert rows(Path(facts.out or "")) == [[("user", "Wren: Open?\n阿禾：几点？"), ("assistant", "At nine.")]]


def test_a_long_conversation_is_divided_before_a_question(tmp_path: Path) -> None:
    talk = [(n, ("Wren", "Tam")[n % 2], f"{n} " + "so " * 150) for n in range(40)]
    path = tmp_path / "long.txt"
    path.write_text(written(talk), encoding="utf-8")
    found = rows(Path(convert(path, "Tam").out or ""))
    assert len(found) > 5 and sum(map(len, found)) == 40
    assert all(sum(len(text) for _, text in turns[:-2]) <= LONGEST for turns in found)
    assert all(turns[0][0] == "user" and turns[-1][0] == "assistant" for turns in found)


@pytest.mark.parametrize("packed", [True, False])
def test_chats_in_a_folder_or_an_archive(tmp_path: Path, packed: bool) -> None:
    folder, stream = tmp_path / "chats", io.BytesIO()
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(written(TALK), encoding="utf-8")
        with zipfile.ZipFile(stream, "a") as archive:
            archive.writestr(name, written(TALK))
    (tmp_path / "export.zip").write_bytes(stream.getvalue())
    facts = convert(tmp_path / "export.zip" if packed else folder, "Tam", tmp_path / "out.jsonl")
    assert facts.speakers == {"Wren": 10, "Tam": 8}
    assert facts.conversations == 4


def test_lines_of_names_and_colons(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_text("".join(f"{name}: {text}\n" for _, name, text in TALK), encoding="utf-8")
    facts = convert(path, "Tam")
    assert (facts.conversations, facts.turns) == (1, 4)


@pytest.mark.parametrize(
    ("text", "me", "key"),
    [
        ("The mill stood still. Nobody came.\n" * 9, "Tam", "examples.no_chat"),
        (written(TALK), "Nobody", "examples.no_such_speaker"),
        (written(TALK[:1]), "Tam", "examples.no_two_sides"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path: Path, text: str, me: str, key: str) -> None:
    path = tmp_path / "mill.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        convert(path, me)
    assert refused.value.key == key
    assert [item.name for item in tmp_path.iterdir()] == ["mill.txt"]


def test_a_file_is_not_overwritten(chat: Path, tmp_path: Path) -> None:
    (tmp_path / "mill.chat.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError):
        convert(chat, "Tam")
    assert (tmp_path / "mill.chat.jsonl").read_text(encoding="utf-8") == "mine"


def test_the_command(
    chat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODOU_LANG", "en")
    assert status_of(["data", "chat", str(chat)]) == 0
    assert "Wren (5), Tam (4)" in (said := capsys.readouterr().out) and "--me Wren" in said
    assert status_of(["data", "chat", str(chat), str(tmp_path / "out.jsonl"), "--me", "Tam"]) == 0
    assert "modou data check" in capsys.readouterr().out
    assert status_of(["data", "chat", str(chat), "--me", "Tam", "--out", str(tmp_path / "two.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["conversations"] == 2
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()
    assert status_of(["data", "chart", str(chat)]) == 2


MESSAGES = st.tuples(st.integers(0, 400), st.sampled_from(["Tam", "Wren", "Ash"]), st.sampled_from("abcdef"))


@given(st.lists(MESSAGES, min_size=1, max_size=30))
def test_every_message_is_written_or_counted(
    tmp_path_factory: pytest.TempPathFactory, talk: list[tuple[int, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("chat")
    path = folder / "mill.txt"
    path.write_text(written(talk), encoding="utf-8")
    try:
        facts = convert(path, "Tam")
    except UserError:
        return
    found = rows(Path(facts.out or ""))
    messages = sum(text.count("\n") + 1 for turns in found for _, text in turns)
    assert messages + facts.left_out_messages == len(talk)
    assert check(Path(facts.out or "")).facts.bad == 0
