"""Scored models: blunders by hand, that they only cost, and that the writer behind the judge stays as it was."""

import copy

import pytest
import torch
from torch import nn

from modou.model.scored import UNLIKELY, RewardGPT
from modou.settings.model import ModelSettings

SHAPE = ModelSettings(vocabulary=40, layers=2, width=16, heads=2, context=24, dropout=0.2)
IDS = torch.randint(0, 40, (3, 12), generator=torch.Generator().manual_seed(1))


def judge() -> RewardGPT:
    torch.manual_seed(0)
    model = RewardGPT(SHAPE)
    for layer in (model.score, model.price):
        nn.init.normal_(layer.weight)
    with torch.no_grad():
        model.writer.embedding.weight.mul_(40)  # decided enough that some tokens are blunders
    return model.eval()


def test_blunders_and_what_they_cost_by_hand() -> None:
    model = judge()
    with torch.no_grad():
        found_BT, read_BT, x_BTD = model.blunders(IDS), model.read(IDS), model.hidden(IDS)
        scores_BT, prices_BT = model.scores(x_BTD), model.prices(x_BTD)
        log_BTV = model.writer(IDS).double().log_softmax(-1)
    assert (prices_BT > 0).all() and found_BT.max() > 0.9 and found_BT.min() < 0.1
    for row, ids in enumerate(IDS.tolist()):
        charged = 0.0
        for place, token in enumerate(ids):
            nats = 0.0 if place == 0 else -log_BTV[row, place - 1, token].item()
            blunder = 0.0 if place == 0 else 1 / (1 + torch.tensor(UNLIKELY - nats).exp().item())
            assert found_BT[row, place].item() == pytest.approx(blunder, abs=1e-5)
            charged += blunder * prices_BT[row, place].item()
            assert read_BT[row, place].item() == pytest.approx(scores_BT[row, place].item() - charged, abs=1e-3)


def test_a_score_is_of_the_beginning_alone() -> None:
    model = judge()
    torch.testing.assert_close(model.read(IDS[:, :7]), model.read(IDS)[:, :7])


def test_only_the_judge_learns() -> None:
    model = judge().train()
    before = copy.deepcopy(model.writer.state_dict())
    assert isinstance(model.twin(), RewardGPT)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert "price.weight" in trained and not any(name.startswith("writer.") for name in trained)
    optimizer = torch.optim.SGD(trained.values(), lr=1.0)
    model.read(IDS).sum().backward()
    assert model.price.weight.grad is not None and model.price.weight.grad.abs().sum() > 0
    optimizer.step()
    for name, tensor in model.writer.state_dict().items():
        assert torch.equal(tensor, before[name]), name
