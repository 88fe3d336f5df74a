"""Help tells the truth: the default it prints is the one that is used, and every option it offers changes something.

An option of settings has an effect where its value is read, after it was laid over the defaults, by code that does the
work: every command runs once or more, small, with every option it offers, and what was read is compared with what was
given. A value that a command replaces before it is read was not read.
"""

import io
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from session_helpers import ANSWERS, QUESTIONS, make_runs
from truth_helpers import Reads, as_words, other_value, watched

from modou.cli.arguments import COMMANDS, Option, options, parse
from modou.cli.asked import Asked
from modou.cli.help import command_page, describe, said_default
from modou.cli.main import status_of
from modou.cli.spec import TALK
from modou.corpora.storyteller.book import DEFAULT_BYTES
from modou.methods.base import Alignment
from modou.methods.planning import Budget, TextFacts, plan_tokenizer, plan_training
from modou.methods.pretrain import PretrainMethod
from modou.pipeline import align
from modou.settings.base import read_toml
from modou.settings.methods import METHODS
from modou.settings.run import MINUTES, RunSettings
from modou.tasks.registry import TASKS
from modou.train.events import RunEnded
from modou.train.ways import REFERENCE

EVERY = [(command, option) for command in COMMANDS for option in options(command)]
SAID_ELSEWHERE = (
    *("preset", "out", "columns", "judge", "minutes", "methods", "validation", "test", "text", "me", "base"),
    *("to", "quantize", "context"),
)
"""Own options without a default, or with one that their description says in words."""


def nothing_given(command: str) -> Asked:
    """What a command line of words alone asks for."""
    return parse(command, [word.strip("[].") for word in COMMANDS[command].words])


def used(asked: Asked, name: str) -> Any:
    group, field = name.split(".")
    return getattr(getattr(asked.settings_of(asked.spec.root), group), field)


@pytest.mark.parametrize(("command", "option"), EVERY, ids=[f"{command} {option.name}" for command, option in EVERY])
def test_the_default_that_is_printed_is_the_one_that_is_used(command: str, option: Option) -> None:
    asked, printed = nothing_given(command), said_default(option)
    if option.chosen:
        assert printed.startswith("default"), "see below for what chooses"
    elif option.field is not None:
        value = used(asked, option.name)
        shown = {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value
        assert printed == ("default: none" if value in ((), "") else f"default {shown}")
    elif option.kind == "switch":
        assert not asked.switched(option.name) and printed == "default off" * (option.default is False)
    elif option.name in SAID_ELSEWHERE:
        assert (printed, asked[option.name]) == ("", None)
    elif option.name != "lang":
        assert printed == f"default {asked[option.name]}"
        assert option.own is not None
        assert all(str(used(asked, name)) == asked[option.name] for name in option.own.sets)
    assert printed in " ".join(command_page(command, 100, whole=True).split())


def test_the_plan_chooses_what_help_says_it_does() -> None:
    facts = TextFacts(1_000_000, 4000, True)
    for minutes in (MINUTES, 0.0):
        asked = RunSettings.parse({"train": {"minutes": minutes}})
        chosen = [choice.name for choice in plan_tokenizer(facts, asked)[1]]
        _, plan = plan_training(
            facts, 600_000, 4096, Budget(minutes, 1e11, lambda settings: 1e4, lambda *_: (REFERENCE, [])), asked
        )
        chosen += [choice.name for choice in plan.choices]
        assert set(chosen) == {*RunSettings.planned, *(RunSettings.planned_in_time if minutes else ())}


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if "base" in method.inputs])
def test_the_plan_of_an_alignment_chooses_what_help_says_it_does(name: str) -> None:
    method: Any = SimpleNamespace(steps=lambda settings: 5, steps_per_round=lambda settings: 1)
    planning = Alignment[Any, Any].plan(method, METHODS[name].settings())
    with pytest.raises(StopIteration) as ended:
        next(planning)
    values = ended.value.value[0].model_dump(exclude_unset=True)
    assert {f"{group}.{field}" for group in values for field in values[group]} == set(METHODS[name].settings.planned)


def test_the_minutes_of_pretraining_are_those_that_help_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODOU_MAX_MINUTES", raising=False)
    for command in ("run", "plan", "pretrain"):
        option = next(option for option in options(command) if option.name == "train.minutes")
        assert said_default(option) == f"default {MINUTES:g}; 0 where --train.steps is given"
    budget = PretrainMethod.default_budget(RunSettings())
    assert budget is not None and budget.train.minutes == MINUTES
    assert PretrainMethod.default_budget(RunSettings.parse({"train": {"steps": 9}})) is None
    assert PretrainMethod.default_budget(RunSettings.parse({"train": {"minutes": 0}})) is None, "0 = none"


def test_evaluate_leaves_to_the_run_what_nobody_gives() -> None:
    assert nothing_given("evaluate").settings().model_dump(exclude_unset=True) == {}


def test_a_task_takes_the_minutes_that_help_says() -> None:
    said = next(describe(option) for option in options("align") if option.name == "minutes")
    assert said.endswith("default: the task's own, 60")
    assert {task.recipe.minutes for task in TASKS.values() if task.recipe.stages} == {60.0}


def test_a_corpus_has_the_size_that_help_says() -> None:
    assert nothing_given("corpus").whole("size") == DEFAULT_BYTES


@pytest.mark.parametrize("command", [name for name in COMMANDS if COMMANDS[name].default_of("seed") == "1"])
def test_seed_sets_every_seed_of_a_command_and_is_explained_the_same_everywhere(command: str) -> None:
    spec = COMMANDS[command]
    words = [word.strip("[].") for word in spec.words]
    asked, own = parse(command, [*words, "--seed", "7"]), next(one for one in spec.own if one.name == "seed")
    assert asked["seed"] == "7" and not own.said
    assert all(used(asked, name) == 7 for name in own.sets)
    offered = {option.name for option in options(command) if option.name.endswith(".seed")}
    assert offered <= set(own.sets)
    if "sampling.seed" in offered:
        assert used(parse(command, [*words, "--seed", "7", "--sampling.seed", "8"]), "sampling.seed") == 8


def test_an_option_that_is_not_offered_is_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (
        ["run", "b", "--sampling.samples", "2"],
        ["run", "b", "--tokens", "9"],
        ["dpo", "r", "d", "--samples", "2"],
    ):
        assert status_of(argv) == 2
        assert "has no effect on" in capsys.readouterr().err


# -- every option, in small runs --


@dataclass(frozen=True)
class Use:
    """One way to run a command with its options."""

    words: tuple[str, ...]
    """With {name} for the files that there are."""
    own: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    """Options that get another value than usual."""
    left_out: tuple[str, ...] = ()
    """Options, or groups of them, that are not given."""
    stdin: str = ""


def method_uses(name: str, data: str, duration: str, own: tuple[str, ...] = ()) -> list[Use]:
    """How long is said by the option of its own, or by steps."""
    words = ("{sft}", data)
    return [
        Use(words, ("--out", f"{{new}}/{name}-1", *own), left_out=("train.steps",)),
        Use(words, ("--out", f"{{new}}/{name}-2", *own), left_out=(duration,)),
    ]


IMPLICIT = (("reward.kind", "implicit"), ("reward.reference", "{sft}"))
LORA = (("lora.rank", "2"), ("optimizer.name", "adamw"))
OF_BASE = ("tokenizer", "model", "optimizer.momentum")
"""Options that a base determines, or that adapters leave without effect."""
JUDGED = ("--judge", "exact", "--columns", "prompt=instruction,response=output")
TALKS = (("sampling.tokens", "4"),)
USES: dict[str, list[Use]] = {
    "run": [
        Use(("{book}",), ("--out", "{new}/run", "--preset", "{preset}")),
        Use(("{book}",), ("--out", "{new}/taught", "--base", "{base}"), LORA, OF_BASE),
    ],
    "clean": [Use(("{book}",), ("--out", "{new}/clean", "--preset", "{preset}", "--json"))],
    "tokenizer": [Use(("{clean-1}",), ("--json",))],
    "pretrain": [Use(("{clean-2}",), ("--json",)), Use(("{clean-3}",), (), LORA, OF_BASE)],
    "evaluate": [
        Use(("{base}",), ("--checkpoint", "latest"), left_out=("sampling.tokens",)),
        Use(("{sft}",), ("--json",), left_out=("evaluate",)),
    ],
    "report": [Use(("{base}",), ("--json",))],
    "export": [
        Use(("{sft}",), ("--to", "hf", "--quantize", "f16", "--checkpoint", "latest", "--out", "{new}/f16", "--json")),
        Use(("{lora}",), ("--to", "hf", "--adapter", "--base", "elsewhere", "--out", "{new}/adapter")),
    ],
    "import": [Use(("{exported}",), ("--out", "{new}/imported", "--context", "64", "--json"))],
    "doctor": [Use((), ("--out", "{base}", "--json"))],
    "corpus": [Use(("storyteller", "{new}/corpus.txt"), ("--size", "20000", "--seed", "3"))],
    "task": [Use(("storyteller", "{new}/task"), ("--seed", "3"))],
    "data": [
        Use(("check", "{chat}"), JUDGED[2:]),
        Use(("chat", "{said}"), ("--me", "乙", "--out", "{new}/said.jsonl", "--json")),
    ],
    "generate": [Use(("{base}", "你"), ("--checkpoint", "latest", "--device", "cpu"), TALKS)],
    "chat": [Use(("{sft}",), ("--checkpoint", "latest", "--device", "cpu"), TALKS, stdin="你\n")],
    "pairs": [Use(("{sft}", "{chat}", "{new}/pairs.jsonl"), JUDGED[2:])],
    "prefer": [Use(("{sft}", "{chat}", "{new}/mine.jsonl"), JUDGED[2:], stdin="1\nq\n")],
    "compare": [Use(("{chat}", "{sft}"), (*JUDGED, "--count", "2", "--out", "{new}/compared"))],
    "sft": [
        *method_uses("sft", "{chat}", "sft.epochs", JUDGED[2:]),
        Use(("{base}", "{chat}"), ("--out", "{new}/lora"), LORA, ("optimizer.momentum",)),
    ],
    "reward": [
        *method_uses("reward", "{pairs}", "reward.epochs"),
        Use(
            ("{sft}", "{pairs}"),
            ("--out", "{new}/implicit"),
            (("reward.kind", "implicit"), ("reward.reference", "{sft}")),
        ),
    ],
    "dpo": method_uses("dpo", "{pairs}", "dpo.epochs"),
    "kto": method_uses("kto", "{pairs}", "kto.epochs"),
    "ppo": method_uses("ppo", "{chat}", "rollout.rounds", JUDGED),
    "grpo": method_uses("grpo", "{chat}", "rollout.rounds", JUDGED),
}
NOT_SCALAR = ("reward.beta", "reward.reference", "reward.sft_weight")
"""Options that are refused where the reward is a scalar."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A book, a base and two SFTs of it, three runs that are only cleaned, an export, examples, and an empty folder."""
    folder = tmp_path_factory.mktemp("truth")
    make_runs(folder)
    rows = [
        {"prompt": question, "chosen": answer, "rejected": ANSWERS[place - 1]}
        for place, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True))
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "pairs.jsonl").write_text(text, encoding="utf-8")
    (folder / "preset.toml").write_text("[schedule]\nwarmup = 0.1\n", encoding="utf-8")
    (folder / "said.txt").write_text("甲：豆子呢？\n乙：在罐子里。\n甲：多吗？\n乙：不多。\n", encoding="utf-8")
    (folder / "new").mkdir()
    for run in ("clean-1", "clean-2", "clean-3"):  # tests come in any order: each changes a run of its own
        base = ["--base", str(folder / "base")] if run == "clean-3" else []
        assert status_of(["clean", str(folder / "book.txt"), "--out", str(folder / run), *base]) == 0
    taught = ["sft", str(folder / "base"), str(folder / "chat.jsonl"), "--out", str(folder / "lora")]
    assert status_of([*taught, "--lora.rank", "2", "--train.steps", "2", "--train.batch", "4"]) == 0
    assert status_of(["export", str(folder / "sft"), "--to", "hf", "--out", str(folder / "exported")]) == 0
    names = {"book": "book.txt", "chat": "chat.jsonl", "pairs": "pairs.jsonl", "preset": "preset.toml"}
    names["said"] = "said.txt"
    return {
        name: str(folder / names.get(name, name))
        for name in (*names, "base", "sft", "lora", "exported", "clean-1", "clean-2", "clean-3", "new")
    }


def given(command: str, use: Use) -> Iterator[tuple[Option, str]]:
    """The options of settings that are given, with their values."""
    changed = dict(use.changed)
    scalar = changed.get("reward.kind") != "implicit"
    for option in options(command):
        group = option.name.split(".")[0]
        without = option.name in use.left_out or group in use.left_out or (scalar and option.name in NOT_SCALAR)
        if option.field is not None and not without:
            yield option, changed.get(option.name) or other_value(option)


def run_all(command: str, files: dict[str, str], patch: pytest.MonkeyPatch) -> tuple[set[str], Reads]:
    """Runs every use; the options of settings that were given and read, and all reads."""
    found, every = set[str](), Reads()
    for use in USES[command]:
        words = [word.format(**files) for word in (*use.words, *use.own)]
        for option, value in given(command, use):
            words += as_words(option, value.format(**files))
        patch.setattr(sys, "stdin", io.StringIO(use.stdin))
        with watched(patch) as reads:
            assert status_of([command, *words]) == 0
        settings = parse(command, words).settings_of(COMMANDS[command].root)
        for option, _ in given(command, use):
            group, name = option.name.split(".")
            own = getattr(settings, group)
            if reads.has(type(own), option, getattr(own, name)):
                found.add(option.name)
        every.own |= reads.own
    return found, every


@pytest.mark.slow
@pytest.mark.parametrize("command", USES)
def test_every_option_that_is_offered_is_read(
    command: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, reads = run_all(command, files, monkeypatch)
    assert {option.name for option in options(command) if option.field is not None} - found == set()
    obeyed = {option.name for option in TALK}  # before the command begins: see test_cli_main
    set_others = {option.name for option in COMMANDS[command].own if option.sets}
    assert {option.name for option in COMMANDS[command].own} - reads.own - obeyed - set_others == set()


@pytest.mark.slow
def test_what_plan_is_told_the_run_keeps(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options are for the training that follows: the run folder holds each as it was given."""
    monkeypatch.delenv("MODOU_MAX_MINUTES", raising=False)
    use = Use(("{book}",), ("--out", "{new}/plan", "--json"))
    words = [word.format(**files) for word in (*use.words, *use.own)]
    for option, value in given("plan", use):
        words += as_words(option, value)
    assert status_of(["plan", *words]) == 0
    kept = read_toml(Path(files["new"]) / "plan/settings.toml")
    asked = parse("plan", words).settings().model_dump(mode="json")  # lists, as TOML has them
    for option, _ in given("plan", use):
        group, name = option.name.split(".")
        assert kept[group][name] == asked[group][name], option.name


def test_align_hands_on_all_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its stages take an hour: what it is told is looked at instead."""
    told: list[Any] = []

    def stages(*asked: Any) -> Iterator[RunEnded]:
        told.extend(asked[:4])
        yield RunEnded(tmp_path, True)

    monkeypatch.setattr(align, "align", stages)
    assert (
        status_of(["align", "poems", "--out", str(tmp_path), "--minutes", "3", "--methods", "ppo,dpo", "--json"]) == 0
    )
    assert told == ["poems", tmp_path, 3.0, ("ppo", "dpo")]


def test_every_command_is_looked_at() -> None:
    assert {*USES, "plan", "align"} == set(COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["generate", "chat", "prefer", "compare", "pairs"])
def test_defaults_of_sampling_are_those_that_are_read(
    command: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use = USES[command][0]
    words = [word.format(**files).replace("pairs.jsonl", "more.jsonl") for word in use.words]
    columns = ["--columns", JUDGED[3]] if "{chat}" in use.words else []
    count = ["--count", "2"] if command == "compare" else []
    monkeypatch.setattr(sys, "stdin", io.StringIO(use.stdin))
    with watched(monkeypatch) as reads:
        assert status_of([command, *words, *columns, *count]) == 0
    settings = nothing_given(command).settings().sampling
    for option in options(command):
        if option.field is not None:
            assert reads.has(type(settings), option, option.default), option.name


@pytest.mark.slow
def test_extend_trains_longer(files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shutil.copytree(files["base"], tmp_path / "run")  # others go on from the base as it is
    before = read_toml(tmp_path / "run/settings.toml")["train"]["steps"]
    assert status_of(["run", "--out", str(tmp_path / "run"), "--extend", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["training"]["steps"] > before


def test_what_has_no_effect_on_a_run_or_a_corpus_is_refused(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for argv in (
        ["evaluate", files["base"], "--tokens", "5"],
        ["evaluate", files["sft"], "--evaluate.lengths", "2"],
        ["corpus", "shuihu", str(tmp_path / "b.txt"), "--size", "5"],
    ):
        capsys.readouterr()
        assert status_of(argv) == 2
        assert "no effect on" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
