"""A reward model as a classifier of one label: its score at the end of a conversation is ours, up to a constant."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from interop_helpers import LAYOUTS, exported, portable, small
from method_helpers import begun
from model_helpers import random_model
from session_helpers import ANSWERS, QUESTIONS, make_runs
from talk_helpers import write

from modou.cli.main import status_of
from modou.data.conversation import Message, Template
from modou.model.scored import ScoredGPT
from modou.runs.folder import RunFolder
from modou.runs.record import Source
from modou.runs.weights import load_model

transformers = pytest.importorskip("transformers")

TALKS = (
    (Message("user", "谁？"), Message("assistant", "豆娘 finds a silver spoon 在河边。")),
    (Message("system", "慢慢说"), Message("user", "Where?"), Message("assistant", "")),
)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_scores_are_the_same(layout: str, tied: bool, tmp_path: Path) -> None:
    base = random_model(small(layout, tied=tied))
    ours = ScoredGPT(base.settings).eval()
    ours.load_state_dict({**ours.state_dict(), **base.state_dict()})
    ours.score.weight.normal_()
    ours.score.bias.fill_(-0.75)
    model = replace(portable(layout, tied=tied), weights=dict(ours.state_dict()), scores=True)
    folder = exported(model, tmp_path / "out")
    theirs, info = transformers.AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [[{"role": turn.role, "content": turn.content} for turn in talk] for talk in TALKS]
    batch = tokenizer.apply_chat_template(turns, padding=True, return_tensors="pt", return_dict=True)
    found_B = theirs.eval()(**batch).logits.squeeze(-1)
    bias = json.loads((folder / "config.json").read_text(encoding="utf-8"))["modou_score_bias"]
    template = Template(model.tokenizer)
    for talk, found in zip(TALKS, found_B, strict=True):
        ids_1T = torch.tensor([template.encode(talk).ids])
        expected = ours.prefix_rewards(ids_1T, torch.ones_like(ids_1T))[0, -1]
        assert abs(found.item() + bias - expected.item()) < 1e-4
    assert bias == -0.75 and "-0.75" in (folder / "README.md").read_text(encoding="utf-8")
    assert not (folder / "generation_config.json").exists()


def test_an_implicit_reward_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder(tmp_path / "reward")
    run.create()
    own = Source(kind="run", path="base", sha256="0" * 64)
    record = begun(run, method="reward", base=own, data=own)
    replace(record, settings=record.settings.with_values({"reward": {"kind": "implicit"}})).write(run)
    assert status_of(["export", str(run.path), "--to", "hf", "--out", str(tmp_path / "x")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "implicit reward" in line and "--reward.kind scalar" in line
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_run_is_exported_as_what_it_is(tmp_path: Path) -> None:
    """A reward model as a classifier; the model that was trained against it as one that answers."""
    make_runs(tmp_path)
    rows = [
        {"prompt": question, "chosen": good, "rejected": bad}
        for question, good, bad in zip(QUESTIONS, ANSWERS, reversed(ANSWERS), strict=True)
    ]
    pairs = write(tmp_path / "pairs.jsonl", *rows * 2)
    asked = write(tmp_path / "questions.jsonl", *({"prompt": question} for question in QUESTIONS))
    short = ("--train.threads", "1", "--train.batch", "4")
    sft, reward, ppo = (str(tmp_path / name) for name in ("sft", "reward", "ppo"))
    assert status_of(["reward", sft, str(pairs), "--out", reward, *short]) == 0
    rounds = ("--rollout.rounds", "1", "--rollout.prompts", "4", "--rollout.tokens", "8", "--train.threads", "1")
    assert status_of(["ppo", sft, str(asked), "--judge", reward, "--out", ppo, *rounds]) == 0
    for run in (reward, ppo):
        assert status_of(["export", run, "--to", "hf"]) == 0
    judge, tokenizer, _ = load_model(RunFolder(tmp_path / "reward"))
    assert isinstance(judge, ScoredGPT)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "reward-hf").eval()
    ids_1T = torch.tensor([Template(tokenizer).encode(TALKS[0]).ids])
    expected = judge.prefix_rewards(ids_1T, torch.ones_like(ids_1T))[0, -1] - judge.score.bias
    assert abs(theirs(ids_1T).logits.item() - expected.item()) < 1e-4
    answering = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ppo-hf").eval()
    policy_model, _, _ = load_model(RunFolder(tmp_path / "ppo"))
    assert (answering(ids_1T).logits - policy_model(ids_1T)).abs().max() < 1e-4
    assert answering.generation_config.eos_token_id == [tokenizer.eos, tokenizer.end]
