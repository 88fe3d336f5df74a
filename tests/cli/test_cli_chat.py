"""`modou chat`: turns, commands, Ctrl-C on a terminal; what is saved can be learned from, no foreign file is lost."""

import io
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from session_helpers import QUESTIONS, WORD, endless, make_runs, scripted
from train_helpers import tokenizer

import modou
from modou.cli.chat import Chat
from modou.cli.main import status_of
from modou.data.formats.reading import read_examples
from modou.generate.session import Session
from modou.settings.sampling import SamplingSettings

GREEDY = SamplingSettings(temperature=0, tokens=8)
TWICE = WORD * 2
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    make_runs(folder)
    return folder


class Said(NamedTuple):
    """What a chat wrote: the model's part, and the rest."""

    out: str
    err: str


@pytest.fixture
def talk(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Types the lines to a chat with a session."""

    def talk(session: Session, *lines: str, sampling: SamplingSettings = GREEDY) -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        Chat(session, sampling).run()
        return Said(*capsys.readouterr())

    return talk


def test_an_answer_is_what_a_program_gets(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"\ufeff{QUESTIONS[0]}\r\n\n{QUESTIONS[1]}"))
    assert status_of(["chat", str(runs / "sft"), "--tokens", "12", "--temperature", "0"]) == 0
    run = modou.load(runs / "sft")
    first = run.chat([{"role": "user", "content": QUESTIONS[0]}], tokens=12, temperature=0)
    whole = first.removesuffix("\ufffd")  # a chat keeps no character that was cut off
    turns = [("user", QUESTIONS[0]), ("assistant", whole), ("user", QUESTIONS[1])]
    second = run.chat([{"role": role, "content": text} for role, text in turns], tokens=12, temperature=0)
    assert first and capsys.readouterr() == (f"{first}\n{second}\n", "")


def test_a_base_model_says_what_it_is_and_continues(runs: Path, talk: Callable[..., Said], tmp_path: Path) -> None:
    run = modou.load(runs / "base")
    said = talk(run, "阿豆 ", f"/save {tmp_path / 'texts.jsonl'}", "/system 豆", "/retry")
    more = [run.generate("阿豆 ", tokens=8, temperature=0, seed=seed) for seed in (1, 2)]
    assert said.out == "".join(f"阿豆 {text}\n" for text in more)
    assert said.err.startswith(
        "this is a base model: it continues your text, it does not answer (modou sft teaches it to)\n"
    )
    assert "modou sft" in said.err
    rows = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [{"text": "阿豆 " + more[0].removesuffix("\ufffd")}], "without half a character at the end"


def test_undo_takes_the_last_turn_back_and_retry_throws_other_dice(runs: Path, talk: Callable[..., Said]) -> None:
    run = modou.load(runs / "sft")
    free = SamplingSettings(temperature=1.5, top_p=1.0, tokens=12)
    said = talk(run, QUESTIONS[0], "/retry", "/retry", "/undo", QUESTIONS[0], "/undo", "/undo", "/retry", sampling=free)
    asked = [{"role": "user", "content": QUESTIONS[0]}]
    tries = [run.chat(asked, temperature=1.5, top_p=1.0, tokens=12, seed=seed) for seed in (1, 2, 3)]
    assert len(set(tries)) == 3
    assert said.out == "".join(f"{text}\n" for text in [*tries, tries[0]])
    assert said.err.count("there is no turn yet") == 2


def test_set_changes_lists_and_puts_back(talk: Callable[..., Said]) -> None:
    said = talk(endless(), "a", "/set tokens 4", "b", "/set top-p 0.5", "/set tokens", "/set", "/set stop 天", "c")
    assert said.out == f"{TWICE}\n{WORD}\n春\n"
    assert "tokens = 4\n" in said.err and "top_p = 0.5\n" in said.err and "tokens = 300\n" in said.err
    assert said.err.count("temperature = 0.0") == 1 and "stop = ('天',)" in said.err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/set temperature hot", "'hot'"),
        ("/set temperature -1", "temperature = -1"),
        ("/set temprature 1", "choose from tokens, temperature"),
        ("/set samples 3", "choose from tokens"),
        ("/save", ".jsonl"),
        ("/save notes.txt", ".jsonl"),
        ("/dance", "/undo, /retry"),
        ("/", "/undo, /retry"),
    ],
)
def test_a_mistake_is_one_line_and_the_conversation_goes_on(talk: Callable[..., Said], line: str, says: str) -> None:
    said = talk(endless(), line, "a")
    assert says in said.err and said.err.count("\n") == 1 and said.out == f"{TWICE}\n"


def test_help_quit_and_a_question_that_begins_with_a_slash(talk: Callable[..., Said]) -> None:
    said = talk(endless(), "/help", " /quit", "/quit", "a")
    assert "/undo removes the last turn" in said.err and said.out == f"{TWICE}\n"


def test_a_saved_conversation_is_one_that_sft_reads(talk: Callable[..., Said], tmp_path: Path) -> None:
    path = tmp_path / "mine" / "talk.jsonl"
    ended = scripted(True, *tokenizer().encode(WORD), tokenizer().end)
    said = talk(ended, "/system 豆", "a", "/set tokens 2", "b", "/set tokens 4", "c", f"/save {path}", f"/save {path}")
    assert said.err.count("turns appended: 2") == 2, "half a character is nothing, and no part of the conversation"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2 and rows[0] == rows[1]
    wanted = [{"role": "system", "content": "豆"}]
    for question in "ac":
        wanted += [{"role": "user", "content": question}, {"role": "assistant", "content": WORD}]
    wanted[-1]["cut"] = True  # its end mark was one token too many
    assert rows[0]["messages"] == wanted
    examples = read_examples(path)
    assert examples.counts == {"conversation": 2} and not examples.complaints


FOREIGN = [
    b"my only novel",
    b"my only novel\n",
    b'{"text": "a"}\n',
    b'{"messages": []}\nnotes\n',
    b"[1]\n",
    b"\xff\xfe\n",
]


@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_file_is_left_as_it_is(talk: Callable[..., Said], tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    said = talk(endless(), "a", f"/save {path}", f"/save {tmp_path / 'folder.jsonl'}")
    assert path.read_bytes() == content and "was left as it is" in said.err and "turns appended: 1" in said.err
    (tmp_path / "a.jsonl").mkdir()
    assert "was left as it is" in talk(endless(), "a", f"/save {tmp_path / 'a.jsonl'}").err


def test_a_file_without_a_last_newline_is_gone_on_with(talk: Callable[..., Said], tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_text('{"messages": [], "note": "kept"}', encoding="utf-8")
    talk(endless(), "a", f"/save {path}")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2 and rows[0]["note"] == "kept"


def test_turns_that_do_not_fit_are_left_out_and_that_is_said_once(talk: Callable[..., Said]) -> None:
    said = talk(endless(), *(["a" * 12] * 6))
    assert said.out == f"{TWICE}\n" * 6
    assert said.err.count("oldest turns were left out") == 1


def test_what_a_model_writes_cannot_touch_the_terminal(talk: Callable[..., Said], tmp_path: Path) -> None:
    evil = "\x1b]0;x\x07\x9b2J"
    ids = tokenizer().encode(evil)
    assert len(set(ids)) == len(ids)
    path = tmp_path / "talk.jsonl"
    said = talk(
        scripted(True, *ids, tokenizer().end), "a\x1b[31mb", f"/save {path}", sampling=GREEDY.changed(tokens=40)
    )
    assert not set(said.out) & {"\x1b", "\x07", "\x9b"}
    row = json.loads(path.read_text(encoding="utf-8"))
    assert row["messages"][1] == {"role": "assistant", "content": evil}, "what it wrote is kept as it is"


def test_bytes_that_are_no_characters_do_not_end_the_chat(runs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "modou", "chat", str(runs / "sft"), "--tokens", "4"],
        input=b"\xff\xfe\n" + QUESTIONS[0].encode() + b"\n/quit\n",
        capture_output=True,
        env={**os.environ, "MODOU_LANG": "en"},
        timeout=300,
    )
    assert done.returncode == 0 and done.stdout and b"Traceback" not in done.stderr


if sys.platform != "win32":
    import pty

    CHILD = """
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
from session_helpers import endless
from modou.cli.chat import Chat
from modou.settings.sampling import SamplingSettings
Chat(endless(), SamplingSettings(temperature=0, tokens=1_000_000)).run()
print("ended")
"""

    class Terminal:
        """A chat on a terminal of its own, which types and reads."""

        def __init__(self, *argv: str) -> None:
            self._here, there = pty.openpty()
            paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
            env = {**os.environ, "MODOU_LANG": "en", "PYTHONPATH": paths, "TERM": "dumb", "PYTHONUTF8": "1"}
            self.process = subprocess.Popen(
                argv, stdin=there, stdout=there, stderr=there, env=env, start_new_session=True
            )
            os.close(there)
            self.shown = b""

        def type(self, keys: str) -> None:
            os.write(self._here, keys.encode())

        def wait_for(self, text: str, keys: str = "") -> str:
            """Reads until `text` is shown; what was shown up to there. While nothing is shown, `keys` are typed again:
            Python's input() can miss a Ctrl-C in the instant before it waits."""
            deadline = time.monotonic() + 120
            while text.encode() not in self.shown:
                assert time.monotonic() < deadline, self.shown
                if not select.select([self._here], [], [], 2)[0]:
                    self.type(keys)
                    continue
                try:
                    self.shown += os.read(self._here, 65536)
                except OSError:  # the other side is closed
                    assert text.encode() in self.shown, self.shown
            before, _, self.shown = self.shown.partition(text.encode())
            return before.decode(errors="replace")

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            self.process.kill()
            self.process.wait()
            os.close(self._here)

    def test_ctrl_c_stops_an_answer_and_ends_at_the_prompt(tmp_path: Path) -> None:
        path = tmp_path / "talk.jsonl"
        with Terminal(sys.executable, "-c", CHILD) as terminal:
            assert "Ctrl-C stops an answer" in terminal.wait_for("> ")
            terminal.type("who?\n")
            terminal.wait_for(WORD * 3)
            terminal.type("\x03")
            terminal.wait_for("\n> ")
            assert terminal.process.poll() is None, "the program goes on"
            terminal.type(f"/save {path}\n")
            terminal.wait_for("turns appended: 1")
            terminal.wait_for("\n> ")
            terminal.type("\x03")
            terminal.wait_for("ended", "\x03")
            assert terminal.process.wait(timeout=60) == 0
        question, answer = json.loads(path.read_text(encoding="utf-8"))["messages"]
        assert question == {"role": "user", "content": "who?"}
        assert answer["cut"] is True and answer["content"].startswith(WORD * 3)
        assert not answer["content"].replace(WORD, "").strip(WORD), "whole characters only"

    @pytest.mark.parametrize("keys", ["\x04", "/quit\n"])
    def test_ctrl_d_and_quit_end(runs: Path, keys: str) -> None:
        code = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from modou.cli.main import main; main()"
        with Terminal(sys.executable, "-c", code, "chat", str(runs / "base"), "--tokens", "5") as terminal:
            assert "it continues your text" in terminal.wait_for("> ")
            terminal.type("阿豆\n")
            terminal.wait_for("\n阿豆")
            terminal.wait_for("\n> ")
            terminal.type(keys)
            assert terminal.process.wait(timeout=60) == 0
