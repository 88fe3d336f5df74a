"""A run in use: streamed is whole, conversations fit the context, scores add up to what evaluation counts."""

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from method_helpers import begun
from model_helpers import SHAPES, random_model
from session_helpers import ANSWERS, QUESTIONS, WORD, endless, make_runs, scripted
from train_helpers import sentences, tokenizer

import modou
from modou.cli.main import status_of
from modou.data.conversation import Message, Template
from modou.generate.engine import GenerationNotice, Piece, complete
from modou.generate.session import Session
from modou.messages import UserError
from modou.methods.likelihood import bits_per_character
from modou.runs.folder import RunFolder
from modou.runs.record import Source
from modou.runs.weights import load_model
from modou.settings.sampling import SamplingOptions, SamplingSettings

CONTEXT = 32
LONG = sentences(5, 9)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("session")
    make_runs(folder)
    return folder


@pytest.fixture(scope="module")
def session() -> Session:
    """Random weights, a context of 32 tokens; it answers."""
    model = random_model(SHAPES["modern"].changed(vocabulary=tokenizer().vocabulary, context=CONTEXT))
    return Session(model, tokenizer(), Template(tokenizer()), 0, Path("random"))


def user(content: str) -> dict[str, str]:
    return {"role": "user", "content": content}


def test_import_modou_is_light_and_has_what_it_names() -> None:
    code = (
        "import sys, modou\n"
        "assert not {'torch', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "assert modou.Run and modou.Session and set(modou.__all__) == {'Run', 'Session', 'load'}\n"
        "from modou.generate.session import Session\n"
        "assert issubclass(modou.Run, Session) and modou.Session is Session\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="nonesuch"):
        modou.nonesuch  # noqa: B018


def test_options_are_the_fields_of_the_settings() -> None:
    assert set(SamplingOptions.__annotations__) == set(SamplingSettings.model_fields) - {"samples"}


def test_a_base_model_continues_and_streams_what_it_generates(runs: Path) -> None:
    run = modou.load(runs / "base")
    assert isinstance(run, modou.Run) and run.template is None and run.device.type == "cpu"
    whole = run.generate("阿豆 ", tokens=40, temperature=1.0, top_p=1.0)
    pieces = list(run.stream("阿豆 ", tokens=40, temperature=1.0, top_p=1.0))
    assert "".join(pieces) == whole and len(pieces) > 1 and all(pieces)
    model, own, step = load_model(RunFolder(runs / "base"))
    options = SamplingSettings(tokens=40, temperature=1.0, top_p=1.0)
    assert complete(model, own, ["阿豆 "], options)[0].text == whole and step == run.step
    assert run.generate("阿豆 ", tokens=40, seed=2, temperature=1.0, top_p=1.0) != whole
    assert str(run).startswith("Run(step=") and str(runs / "base") in str(run)
    with pytest.raises(UserError, match="modou sft"):
        run.chat([user("你是谁？")])


def test_a_model_that_answers_is_asked_as_it_was_trained(runs: Path) -> None:
    run = modou.load(str(runs / "sft"), checkpoint="latest", device="cpu")
    assert run.template is not None
    said = run.chat([user(QUESTIONS[0])], tokens=12)
    assert said == "".join(run.stream_chat([user(QUESTIONS[0])], tokens=12)) == run.generate(QUESTIONS[0], tokens=12)
    ids = run.template.prompt([Message("user", QUESTIONS[0])])
    assert said == run.generate(ids, tokens=12), "ids are taken as they are"
    talk = [user(QUESTIONS[0]), {"from": "gpt", "value": ANSWERS[0]}, user(QUESTIONS[1])]
    turns = [Message("user", QUESTIONS[0]), Message("assistant", ANSWERS[0]), Message("user", QUESTIONS[1])]
    assert run.chat(talk, tokens=12) == run.generate(run.template.prompt(turns), tokens=12)
    assert len(run.texts(ids, SamplingSettings(samples=3, tokens=5))) == 3


@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        ("no such run", {}, "no such run"),
        ("base", {"device": "abacus"}, "auto, cpu, cuda, mps"),
        ("base", {"checkpoint": "newest"}, "best, latest"),
        ("base", {"checkpoint": 99}, "step 99"),
        ("scores", {}, "reward model"),
    ],
)
def test_a_mistake_in_loading_is_a_value_error_of_one_line(
    runs: Path, tmp_path: Path, path: str, options: dict[str, str], says: str
) -> None:
    (tmp_path / "scores").mkdir()
    source = Source(kind="run", path="base", sha256="0" * 64)
    begun(RunFolder(tmp_path / "scores"), None, "reward", base=source, data=source)
    with pytest.raises(ValueError, match=says) as caught:
        modou.load(runs / path if path == "base" else tmp_path / path, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tokn": 3}, "tokn: choose from tokens, temperature, "),
        ({"samples": 3}, "samples: choose from "),
        ({"tokens": 0}, "tokens = 0"),
        ({"tokens": 1.5}, "not a whole number"),
        ({"temperature": -1}, "temperature = -1"),
        ({"temperature": "hot"}, "temperature = 'hot'"),
        ({"temperature": math.nan}, "temperature"),
        ({"stop": ""}, "stop"),
        ({"stop": [3]}, "stop"),
    ],
)
def test_a_wrong_option_is_a_value_error_before_anything_is_written(
    session: Session, options: dict[str, object], says: str
) -> None:
    for write in (session.generate, session.stream, lambda _, **given: session.stream_chat([user("甲")], **given)):
        with pytest.raises(ValueError, match=says) as caught:
            write("甲", **options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_one_stop_string_needs_no_list() -> None:
    one = endless(False)
    assert one.generate("", temperature=0, tokens=20, stop="天") == one.generate("", temperature=0, stop=["天"]) == "春"


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        ([], "no turns"),
        ("Who are you?", "no turns"),
        ([{"role": "wizard", "content": "x"}], "wizard"),
        ([user("甲"), {"role": "assistant", "content": "乙"}], "user's question"),
        ([user("")], "empty"),
        (["甲"], "not an object"),
    ],
)
def test_what_is_no_conversation_is_refused_with_the_form_to_write(session: Session, turns: object, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        session.chat(turns)  # type: ignore[arg-type]
    assert '[{"role": "user", "content": "..."}]' in str(caught.value)


def test_messages_of_one_side_in_a_row_are_one_turn(session: Session) -> None:
    sampling = {"temperature": 0, "tokens": 3}
    assert session.chat([user("甲"), user("乙")], **sampling) == session.chat([user("甲\n乙")], **sampling)


def test_a_prompt_that_is_too_long_is_a_warning(session: Session) -> None:
    with pytest.warns(UserWarning, match=f"the context of {CONTEXT}"):
        session.generate(LONG, tokens=2)


@given(st.lists(st.text("阿豆河b ", min_size=1, max_size=6), min_size=1, max_size=6), st.integers(1, 40), st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_oldest_turns_make_room_and_a_notice_says_so(asked: list[str], tokens: int, system: bool) -> None:
    """What is left is the longest end of the conversation that leaves room; the system message stays."""
    talker = scripted(True, *tokenizer().encode(WORD))
    context, template = talker.model.settings.context, Template(tokenizer())
    turns = [Message("user", f"{asked[0]}?")]
    for text in asked[1:]:
        turns += [Message("assistant", text), Message("user", f"{text}?")]
    head = [Message("system", "豆")] if system else []
    sampling = SamplingSettings(tokens=tokens, temperature=0.0)
    events = list(talker.answer([*head, *turns], sampling))
    room = context - min(tokens, context // 2)
    fits = [n for n in range(0, len(turns), 2) if len(template.prompt([*head, *turns[n:]])) <= room]
    left_out = fits[0] if fits else len(turns) - 1
    alone = list(talker.write(template.prompt([*head, *turns[left_out:]]), sampling))
    assert [event for event in events if isinstance(event, Piece)] == [e for e in alone if isinstance(e, Piece)]
    notices = [
        e.values["turns"] for e in events if isinstance(e, GenerationNotice) and e.key == "generate.turns_left_out"
    ]
    assert notices == ([left_out] if left_out else [])
    kinds = [isinstance(event, GenerationNotice) for event in events]
    assert kinds == sorted(kinds, reverse=True), "notices come first"


@given(st.text() | st.text("阿豆河边 ab\n\u2581\udc80麒😀é", max_size=60))
@example("")
@example("\n\n")
@example("麒嬔" * 40 + "\ud800")
@example("a\u2581 b\r\n\0")
@settings(max_examples=60, deadline=None)
def test_scored_tokens_are_the_text_and_cost_what_evaluation_counts(text: str) -> None:
    session = endless(False)
    found = session.score(text)
    text = text.translate(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))
    assert "".join(token.text for token in found) == text
    assert found[0].start == 0 and found[-1].text == "" and found[-1].end == len(text)
    assert all(before.end == after.start for before, after in pairwise(found))
    assert all(token.text == text[token.start : token.end] and token.log_probability <= 0 for token in found)
    ids = tokenizer().encode(text)
    assert len(found) == len(ids) + 1
    for id, token in zip(ids, found[:-1], strict=True):
        if not tokenizer().is_byte(id):  # a piece of whole characters has them all
            assert token.text == tokenizer().piece_bytes[id].decode()
    if text.replace("\n", ""):
        bits = bits_per_character(session.model, tokenizer(), [text]).bits
        spent = -sum(token.log_probability for token in found) / math.log(2)
        assert spent == pytest.approx(bits, rel=1e-9)


def test_a_character_of_several_tokens_belongs_to_the_last_of_them(session: Session) -> None:
    assert [token.text for token in session.score("甲\n嬔")] == ["", "", "甲", "\n", "", "", "嬔", ""]


def test_a_text_longer_than_the_context_is_scored_through_the_windows_of_evaluation(session: Session) -> None:
    found = session.score(LONG)
    assert len(found) > 3 * CONTEXT and "".join(token.text for token in found) == LONG
    spent = -sum(token.log_probability for token in found) / math.log(2)
    assert spent == pytest.approx(bits_per_character(session.model, tokenizer(), [LONG]).bits, rel=1e-9)


def test_a_run_is_evaluated_as_the_command_does_and_nothing_is_written(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from modou.cli.main import status_of

    before = {path: path.read_bytes() for path in (runs / "base").rglob("*") if path.is_file()}
    found = modou.load(runs / "base").evaluate()
    assert {path: path.read_bytes() for path in (runs / "base").rglob("*") if path.is_file()} == before
    capsys.readouterr()
    assert status_of(["evaluate", str(runs / "base"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["evaluate"] == json.loads(json.dumps(found))
    answers = modou.load(runs / "sft").evaluate()
    assert answers["validation"]["loss"] > 0 and answers["base"]["validation"]["loss"] > 0


def test_at_temperature_0_one_of_several_samples_is_written_with_a_word(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", str(runs / "base"), "阿豆", "--tokens", "5", "--temperature", "0", "--samples", "4"]
    assert status_of(words) == 0
    shown = capsys.readouterr()
    assert "── text" not in shown.out and "all samples are the same" in shown.err
    assert status_of([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["samples"]) == 1 and any("all samples are the same" in notice for notice in found["notices"])
    assert shown.out == f"阿豆{found['samples'][0]['text']}\n"
    for other in ([*words[:-1], "1"], [*words[:-4], "--temperature", "0.5", *words[-2:]]):
        assert status_of(other) == 0
        assert "all samples" not in capsys.readouterr().err


def test_two_answers_to_choose_from_need_a_temperature(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prefer", str(runs / "sft"), str(runs / "chat.jsonl"), str(tmp_path / "mine.jsonl"), "--temperature", "0"]
    assert status_of(words) == 2
    assert "nothing to choose" in capsys.readouterr().err and not (tmp_path / "mine.jsonl").exists()
