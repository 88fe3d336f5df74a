"""A reward model as a classifier of one label: its score at the end of a conversation is ours, up to a constant."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from interop_helpers import LAYOUTS, exported, portable, small
from method_helpers import begun
from model_helpers import random_model

from modou.cli.main import status_of
from modou.data.conversation import Message, Template
from modou.model.scored import ScoredGPT
from modou.runs.folder import RunFolder
from modou.runs.record import Source

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
