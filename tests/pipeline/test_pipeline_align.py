"""From a small base through SFT to a judge, DPO, PPO and GRPO; each goes on where it stopped."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from closeness import assert_close_sums
from method_helpers import dpo, grpo, kto, ppo, pretrain, reward, sft
from names_page import forms
from train_helpers import DOES, WHAT, WHERE, WHO, of_kind, sentences

from modou import storage
from modou.cli import main as cli
from modou.data.conversation import Message, Template
from modou.data.examples import Question
from modou.messages import UserError
from modou.methods.reward import RewardMethod
from modou.model.gpt import GPT
from modou.model.scored import ImplicitGPT, RewardModel, ScoredGPT
from modou.pipeline.check import check
from modou.pipeline.compare import compare
from modou.pipeline.inputs import examples_source, run_source
from modou.pipeline.report import ReportFigures
from modou.runs.folder import RunFolder
from modou.runs.record import Record
from modou.runs.weights import answers, load_model
from modou.settings.methods import DpoRun, GrpoRun, KtoRun, PpoRun, RewardRun, SftRun
from modou.settings.run import RunSettings
from modou.settings.sampling import SamplingSettings
from modou.tasks.judges import ModelJudge, context_of, make_judge, room_for_questions
from modou.train.events import RunEnded, StageEnded, Stepped
from modou.train.rollouts import Answer, pad_answers

TINY: dict[str, dict[str, Any]] = {
    "tokenizer": {"vocabulary": 330, "threads": 1},
    "model": {"layers": 2, "width": 16, "heads": 2, "context": 128, "dropout": 0.1},
    "train": {"steps": 4, "batch": 4, "evaluate_every": 2, "threads": 1},
    "evaluate": {"quick_characters": 200, "written_characters": 500},
}
TALK = [(f"{who}{place}？", f"{does}{what}。") for who, place, does, what in zip(WHO, WHERE, DOES, WHAT, strict=True)]
SMALL: dict[str, dict[str, Any]] = {"train": {"batch": 4, "threads": 1}}
ALONE: dict[str, dict[str, Any]] = {"train": {"threads": 1}}
JUDGES = ("scalar", "implicit")
ROUNDS = {"rounds": 2, "prompts": 2, "group": 2, "tokens": 6, "held_out": 2}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, an SFT of it, and files of preferences and questions."""
    folder = tmp_path_factory.mktemp("align")
    book = folder / "book.txt"
    book.write_text(sentences(110, 1), encoding="utf-8")
    list(pretrain(str(book), RunSettings.parse(TINY), out=folder / "base"))
    chat = write(folder / "chat.jsonl", *({"instruction": q, "output": a} for q, a in TALK * 2))
    list(sft(folder / "base", chat, SftRun().with_values(SMALL), folder / "sft"))
    write(
        folder / "pairs.jsonl",
        *({"prompt": q, "chosen": a, "rejected": a[::-1], "kind": "turned"} for q, a in TALK),
        {"prompt": "长" * 200, "chosen": "甲", "rejected": "乙"},
    )
    write(
        folder / "questions.jsonl", *({"question": q, "answer": f"#### {a}"} for q, a in TALK), {"prompt": "长" * 200}
    )
    for name in JUDGES:
        settings = RewardRun().with_values(SMALL | {"reward": {"kind": name}})
        list(reward(folder / "sft", folder / "pairs.jsonl", settings, folder / name))
    return folder


@pytest.mark.parametrize("asked", [{"sft_weight": 0.1}, {"reference": "base"}, {"beta": 0.5}])
def test_options_of_an_implicit_reward_are_refused_with_a_scalar_one(asked: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"reward\.{next(iter(asked))}.*--reward\.kind implicit"):
        RewardRun().with_values({"reward": asked})
    assert RewardRun().with_values({"reward": asked | {"kind": "implicit"}}).reward.kind == "implicit"


def test_a_judge_that_has_read_on_judges_what_another_wrote(folder: Path, tmp_path: Path) -> None:
    """Its reward is beta (log p of the reader - log p of the reference); the reference stays as it was."""
    list(sft(folder / "sft", folder / "chat.jsonl", SftRun().with_values(SMALL), tmp_path / "reader"))
    writer, reader = (load_model(RunFolder(path))[0] for path in (folder / "sft", tmp_path / "reader"))
    asked = SMALL | {"reward": {"kind": "implicit", "reference": str(folder / "sft"), "sft_weight": 0.1, "beta": 0.2}}
    list(reward(tmp_path / "reader", folder / "pairs.jsonl", RewardRun().with_values(asked), tmp_path / "judge"))
    judge = load_model(RunFolder(tmp_path / "judge"))[0]
    assert isinstance(judge, ImplicitGPT) and judge.beta == 0.2
    assert not torch.equal(judge.embedding.weight, reader.embedding.weight)
    for name, tensor in writer.state_dict().items():
        assert torch.equal(judge.reference.state_dict()[name], tensor), name
    wider = TINY | {"model": TINY["model"] | {"width": 32}}
    list(pretrain(str(folder / "book.txt"), RunSettings.parse(wider), out=tmp_path / "other"))
    elsewhere = RewardRun().with_values(asked | {"reward": {"kind": "implicit", "reference": str(tmp_path / "other")}})
    with pytest.raises(UserError, match="other"):
        list(reward(tmp_path / "reader", folder / "pairs.jsonl", elsewhere, tmp_path / "none"))


@pytest.mark.parametrize("judge", JUDGES)
def test_a_reward_model_scores_and_says_how_well(folder: Path, judge: str) -> None:
    report = storage.read_json(folder / judge / "report.json")
    assert report["data"]["pairs"] == len(TALK) and report["data"]["bad"] == 1
    assert report["data"]["kinds"] == {"turned": len(TALK)}
    assert 0 <= report["validation"]["accuracy"] <= 1 and "longer" in report["validation"]["kinds"]["turned"]
    model, _, _ = load_model(RunFolder(folder / judge))
    assert isinstance(model, ImplicitGPT if judge == "implicit" else ScoredGPT) and not answers(
        RunFolder(folder / judge)
    )


def test_predictions_are_trained_at_dpos_rates_unless_others_are_asked_for(folder: Path, tmp_path: Path) -> None:
    scalar, implicit = (storage.read_json(folder / judge / "report.json")["settings"] for judge in JUDGES)
    theirs = DpoRun().model_dump(mode="json")["optimizer"]
    assert implicit["optimizer"] == theirs != scalar["optimizer"]
    assert implicit["reward"]["centre"] == 0 < scalar["reward"]["centre"]
    asked = SMALL | {"reward": {"kind": "implicit", "centre": 0.1}, "optimizer": {"matrix_lr": 0.004}}
    list(reward(folder / "sft", folder / "pairs.jsonl", RewardRun().with_values(asked), tmp_path / "own"))
    own = storage.read_json(tmp_path / "own" / "report.json")["settings"]
    assert own["optimizer"] == theirs | {"matrix_lr": 0.004} and own["reward"]["centre"] == 0.1


def test_dpo(folder: Path, tmp_path: Path) -> None:
    events = list(dpo(folder / "sft", folder / "pairs.jsonl", DpoRun().with_values(SMALL), tmp_path / "out"))
    assert isinstance(events[-1], RunEnded) and events[-1].finished
    report = storage.read_json(tmp_path / "out" / "report.json")
    assert report["run"]["method"] == "dpo" and report["samples"] and "drift" in report
    assert type(load_model(RunFolder(tmp_path / "out"))[0]) is GPT


@pytest.mark.parametrize("judge", ["exact", *JUDGES])
@pytest.mark.parametrize("method", ["ppo", "grpo"])
def test_reinforcement_from_a_rule_and_from_a_model(folder: Path, tmp_path: Path, method: str, judge: str) -> None:
    named = judge if judge == "exact" else str(folder / judge)
    out = tmp_path / "out"
    args = (folder / "sft", folder / "questions.jsonl")
    stops = iter([False])
    values = ALONE | {"rollout": ROUNDS}
    if method == "ppo":
        settings = PpoRun().with_values(values)
        list(ppo(*args, settings, named, out, should_stop=lambda: next(stops, True)))
        events = list(ppo(*args, settings, named, out))
        list(ppo(*args, settings, named, tmp_path / "whole"))
    else:
        settings = GrpoRun().with_values(values)
        list(grpo(*args, settings, named, out, should_stop=lambda: next(stops, True)))
        events = list(grpo(*args, settings, named, out))
        list(grpo(*args, settings, named, tmp_path / "whole"))
    assert of_kind(events, Stepped), "it was stopped, and went on"
    report, whole = (storage.read_json(path / "report.json") for path in (out, tmp_path / "whole"))
    assert report["validation"] == whole["validation"] and report["samples"] == whole["samples"]
    assert report["data"]["questions"] == len(TALK) and report["data"]["bad"] == 1
    assert {"reward", "kl", "length"} <= report["validation"].keys()
    assert type(load_model(RunFolder(out))[0]) is GPT and answers(RunFolder(out))


@pytest.mark.parametrize("name", JUDGES)
def test_what_the_tokens_of_an_answer_earn_adds_up_to_its_score(folder: Path, name: str) -> None:
    """Ended or not, beside longer ones or not; nothing is earned outside the answer."""
    model, tokenizer, _ = load_model(RunFolder(folder / name))
    judge = make_judge(str(folder / name), tokenizer, torch.device("cpu"))
    assert isinstance(judge, ModelJudge) and isinstance(model, RewardModel)
    template = Template(tokenizer)
    tasks = [Question(template.prompt([Message("user", question)]), question) for question, _ in TALK[:2]]
    sides = [(TALK[0][1], True), (TALK[1][1] * 2, False), ("", True)]
    ids = [(*tokenizer.encode(text), *([tokenizer.end] if ended else [])) for text, ended in sides]
    written = [
        Answer(tasks[n % 2], text, own, ended) for n, ((text, ended), own) in enumerate(zip(sides, ids, strict=True))
    ]
    (scores_N, token_rewards_NT), mask_NT = judge.token_rewards(written), pad_answers(written)["mask_NT"]
    assert token_rewards_NT.shape == mask_NT.shape and (token_rewards_NT[mask_NT == 0] == 0).all()
    assert all(row.abs().sum() > 0 for row in token_rewards_NT)
    with torch.no_grad():
        questions = [torch.tensor([answer.question.ids]) for answer in written]
        bare_N = [model.prefix_rewards(ids_1T, torch.zeros(ids_1T.shape))[0, -1] for ids_1T in questions]
    assert_close_sums(
        token_rewards_NT.sum(1), scores_N - torch.stack(bare_N), 1 + token_rewards_NT.abs().sum(1).max().item()
    )


def test_a_judge_that_is_none_or_lacks_its_answer(folder: Path, tmp_path: Path) -> None:
    settings = GrpoRun().with_values(ALONE | {"rollout": ROUNDS})
    with pytest.raises(UserError, match="judge"):
        list(grpo(folder / "sft", folder / "questions.jsonl", settings, str(folder / "sft"), tmp_path / "a"))
    bare = write(tmp_path / "bare.jsonl", *({"prompt": q} for q, _ in TALK))
    with pytest.raises(UserError, match="answer"):
        list(grpo(folder / "sft", bare, settings, "exact", tmp_path / "b"))
    with pytest.raises(UserError, match=r"rollout\.tokens"):
        wide = settings.with_values({"rollout": {"tokens": 500}})
        list(grpo(folder / "sft", folder / "questions.jsonl", wide, "exact", tmp_path / "c"))


def test_a_mistake_in_the_judge_may_be_mended_in_place(folder: Path, tmp_path: Path) -> None:
    settings = GrpoRun().with_values(ALONE | {"rollout": ROUNDS})
    args = (folder / "sft", folder / "questions.jsonl", settings)
    with pytest.raises(UserError, match="exact, poems"):
        list(grpo(*args, "exakt", tmp_path / "out"))
    with pytest.raises(UserError):
        list(grpo(*args, str(folder / "sft"), tmp_path / "out"))
    assert list(grpo(*args, "exact", tmp_path / "out"))[-1].finished


def test_another_method_or_a_judge_as_base_is_refused(folder: Path, tmp_path: Path) -> None:
    chat = SftRun().with_values(SMALL)
    with pytest.raises(UserError, match="reward → sft"):
        list(sft(folder / "sft", folder / "chat.jsonl", chat, folder / "scalar"))
    with pytest.raises(UserError, match=r"reward model|奖励模型"):
        list(sft(folder / "scalar", folder / "chat.jsonl", chat, tmp_path / "out"))


def test_more_minibatches_than_answers_are_refused(folder: Path, tmp_path: Path) -> None:
    settings = GrpoRun().with_values(ALONE | {"rollout": ROUNDS | {"minibatches": 9}})
    with pytest.raises(UserError, match=r"rollout\.minibatches"):
        list(grpo(folder / "sft", folder / "questions.jsonl", settings, "exact", tmp_path / "out"))


@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # torch's RMSNorm under autocast
def test_grpo_runs_in_half_precision(folder: Path, tmp_path: Path) -> None:
    settings = GrpoRun().with_values(ALONE | {"rollout": ROUNDS})
    settings = settings.with_values({"train": {"precision": "bfloat16"}})
    assert list(grpo(folder / "sft", folder / "questions.jsonl", settings, "exact", tmp_path / "out"))[-1].finished


def test_another_judge_is_another_run(folder: Path, tmp_path: Path) -> None:
    settings = GrpoRun().with_values(ALONE | {"rollout": ROUNDS})
    list(grpo(folder / "sft", folder / "questions.jsonl", settings, "exact", tmp_path / "out"))
    with pytest.raises(UserError, match="--judge"):
        list(grpo(folder / "sft", folder / "questions.jsonl", settings, str(folder / "scalar"), tmp_path / "out"))


def test_runs_side_by_side(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(folder / name) for name in ("sft", "base")]
    words = [
        "compare",
        str(folder / "questions.jsonl"),
        *runs,
        "--judge",
        f"exact,{folder / 'scalar'}",
        "--tokens",
        "6",
    ]
    assert cli.status_of([*words, "--out", str(tmp_path / "out"), "--lang", "en"]) == 0
    said = capsys.readouterr().out
    assert "sft" in said and "win rate (scalar)" in said and "win rate (the rules)" in said and "±" in said
    assert "most frequent answer" in said and "longest copy" in said and str(tmp_path / "out" / "compare.html") in said
    found = storage.read_json(tmp_path / "out" / "compare.json")
    assert found["reference"] == "sft" and found["questions"] == len(TALK)
    one, two = found["runs"]["sft"], found["runs"]["base"]
    assert one["kl"]["mean"] == pytest.approx(0, abs=1e-4) and two["kl"]["mean"] != 0
    assert one["rules"]["exact"]["count"] == len(TALK) and not one["wins"]
    assert 0 <= two["wins"]["exact"]["mean"] <= 1 and two["method"] == "pretrain"
    assert two["wins"]["rules"] == two["wins"]["exact"], "the only rule"
    assert found["majority"]["exact"]["share"] == pytest.approx(1 / len(TALK)), "no two answers are alike"
    assert one["samples"][0]["truth"] in {answer for _, answer in TALK}
    assert all(answer["copied"]["longest"] == len(answer["copied"]["text"]) for answer in (one, two))
    page = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    assert '<html lang="en">' in page and one["samples"][0]["truth"] in page
    assert cli.status_of([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["evaluate"]["runs"] == found["runs"], "the same numbers again"
    assert cli.status_of(["compare", str(folder / "questions.jsonl")]) == 2


def test_a_comparison_knows_the_way_of_the_training_and_has_its_names_documented(folder: Path, tmp_path: Path) -> None:
    settings = GrpoRun().with_values(ALONE | {"rollout": ROUNDS})
    list(grpo(folder / "sft", folder / "questions.jsonl", settings, str(folder / "scalar"), tmp_path / "grpo"))
    runs, sampling = [folder / "sft", tmp_path / "grpo"], SamplingSettings(temperature=1.0, top_p=1.0, tokens=6)
    judges = ["exact", str(folder / "scalar")]
    ended = list(compare(runs, folder / "questions.jsonl", judges, "", 3, sampling, tmp_path / "out"))
    assert ended[-1] == StageEnded("report", ReportFigures(str(tmp_path / "out" / "compare.html")))
    found = storage.read_json(tmp_path / "out" / "compare.json")
    training = found["runs"]["grpo"]["training"]
    assert training["judge"] == str(folder / "scalar")
    assert training["history"][-1].keys() == {"step", "reward", "kl", "length"}
    assert "training" not in found["runs"]["sft"], "it had no judge"
    (form,) = forms("Comparisons")
    assert storage.to_json(storage.parse_form(form, found)) == found
    list(compare([tmp_path / "grpo"], folder / "questions.jsonl", [], "", 3, sampling, tmp_path / "alone"))
    alone = storage.read_json(tmp_path / "alone" / "compare.json")["runs"]["grpo"]
    assert not alone["judges"] and not alone["wins"] and "training" not in alone and alone["by_answer"]["rules"]


def test_a_person_chooses_and_every_choice_is_kept_at_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine" / "preferences.jsonl"
    words = ["prefer", str(folder / "sft"), str(folder / "questions.jsonl"), str(out), "--tokens", "6"]
    monkeypatch.setattr("sys.stdin", io.StringIO("1\nx\n2\nq\n"))
    assert cli.status_of(words) == 0
    said = capsys.readouterr().out
    rows = storage.read_jsonl(out)
    assert [row["prompt"] for row in rows] == [question for question, _ in TALK[:2]]
    assert all(row["chosen"] != row["rejected"] and row["kind"] == "human" for row in rows)
    assert TALK[0][0] in said and "[3/" in said
    monkeypatch.setattr("sys.stdin", io.StringIO("s\n"))
    assert cli.status_of(words) == 0
    assert f"[3/{len(TALK)}]" in capsys.readouterr().out and len(storage.read_jsonl(out)) == 2
    found = check(out).examples  # so small a model writes broken characters now and then, which are complained of
    assert len(found.placed) + len(found.complaints) == 2 and set(found.counts) <= {"preference"}
    assert cli.status_of([*words[:1], str(folder / "base"), *words[2:]]) == 2


def test_the_reports_have_the_forms_that_the_page_tells(folder: Path, tmp_path: Path) -> None:
    list(dpo(folder / "sft", folder / "pairs.jsonl", DpoRun().with_values(SMALL), tmp_path / "dpo"))
    settings = PpoRun().with_values(ALONE | {"rollout": ROUNDS})
    list(ppo(folder / "sft", folder / "questions.jsonl", settings, "exact", tmp_path / "ppo"))
    list(kto(folder / "sft", folder / "pairs.jsonl", KtoRun().with_values(SMALL), tmp_path / "kto"))
    runs = (folder / "sft", folder / "scalar", tmp_path / "dpo", tmp_path / "kto", tmp_path / "ppo")
    whole, *parts = forms("Aligned runs")
    used: set[type] = set()
    for run in runs:
        found = storage.read_json(run / "report.json")
        assert has_form(whole, found)
        for values in (found["validation"], found["data"]):
            (form,) = (form for form in parts if has_form(form, values))
            used.add(form)
    assert used == set(parts)


def has_form(form: type, values: object) -> bool:
    try:
        return storage.to_json(storage.parse_form(form, values)) == values
    except ValueError:
        return False


def test_from_the_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(folder / "sft"), str(folder / "questions.jsonl"), "--out", str(tmp_path / "out")]
    options = ["--rounds", "1", "--rollout.prompts", "2", "--rollout.group", "2", "--rollout.tokens", "6"]
    assert cli.status_of(["grpo", *words, *options]) == 2
    assert "--judge" in capsys.readouterr().err
    assert cli.status_of(["grpo", *words, *options, "--judge", "exact", "--json", "--train.threads", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"]["method"] == "grpo" and found["validation"]["reward"] <= 1


def test_a_question_leaves_room_for_its_answer_in_every_writer_and_every_judge(folder: Path, tmp_path: Path) -> None:
    sft, judge = RunFolder(folder / "sft"), RunFolder(folder / "scalar")
    assert room_for_questions([sft], ["exact"], 6) == context_of(sft) + 1 - 6
    assert room_for_questions([sft], ["exact", str(judge.path)], 6) == context_of(judge) - 1 - 6
    longest = (context_of(judge) - 1 - 6) // 3  # three bytes a character
    rows = [{"prompt": "长" * length} for length in range(longest - 5, longest + 5)]
    write(tmp_path / "long.jsonl", *rows)
    settings = GrpoRun().with_values(ALONE | {"rollout": ROUNDS | {"rounds": 1}})
    list(grpo(folder / "sft", tmp_path / "long.jsonl", settings, str(judge.path), tmp_path / "out"))
    found = storage.read_json(tmp_path / "out" / "report.json")["data"]
    assert found["questions"] and found["bad"] and found["questions"] + found["bad"] == len(rows)


def test_the_pairs_of_one_question_are_all_learned_or_all_measured(folder: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": q, "chosen": a, "rejected": a[::-1] + str(n), "kind": f"turned/{n}"} for q, a in TALK for n in (1, 2)
    ]
    pairs = write(tmp_path / "pairs.jsonl", *rows)
    inputs = {"base": run_source(folder / "sft"), "data": examples_source(pairs)}
    made = RewardMethod(RunFolder(tmp_path / "none"), Record("reward", inputs, RewardRun()))
    seen, measured = made.split_by_question(0.4, 1)
    assert sorted(seen + measured) == list(range(len(rows))) and measured
    assert not {rows[place]["prompt"] for place in seen} & {rows[place]["prompt"] for place in measured}
    settings = RewardRun().with_values(SMALL | {"reward": {"held_out": 0.4}})
    list(reward(folder / "sft", pairs, settings, tmp_path / "judge"))
    found = storage.read_json(tmp_path / "judge" / "report.json")["validation"]["kinds"]
    assert found["turned"]["pairs"] == found["turned/1"]["pairs"] + found["turned/2"]["pairs"] == len(measured)
