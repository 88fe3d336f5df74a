"""A judge by its predictions: what a token adds by hand, that questions add nothing, and that the reference stays."""

import copy

import pytest
import torch
from closeness import EXACT

from modou.model.scored import ImplicitGPT
from modou.settings.model import ModelSettings

SHAPE = ModelSettings(vocabulary=40, layers=2, width=16, heads=2, context=24, dropout=0.2)
BETA = 0.3
IDS = torch.randint(0, 40, (3, 12), generator=torch.Generator().manual_seed(1))
WRITTEN = torch.zeros(3, 12, dtype=torch.float64)
WRITTEN[:, 4:11] = 1
WRITTEN[2, 8:] = 0


def judge() -> ImplicitGPT:
    torch.manual_seed(0)
    model = ImplicitGPT(SHAPE, BETA)
    with torch.no_grad():
        model.reference.embedding.weight.mul_(9)
    return model.double().eval()


def test_what_each_token_adds_by_hand() -> None:
    model = judge()
    with torch.no_grad():
        read_BT = model.prefix_rewards(IDS, WRITTEN)
        here_BTV, there_BTV = (gpt(IDS).log_softmax(-1) for gpt in (model, model.reference))
    for row, ids in enumerate(IDS.tolist()):
        gained = 0.0
        for place, token in enumerate(ids):
            if place and WRITTEN[row, place - 1]:
                gained += (here_BTV[row, place - 1, token] - there_BTV[row, place - 1, token]).item()
            assert read_BT[row, place].item() == pytest.approx(BETA * gained, abs=EXACT)
        assert abs(gained) > 0.5, "as good as nothing was judged"


def test_how_likely_an_answer_is_to_the_judge_itself_by_hand() -> None:
    model = judge()
    with torch.no_grad():
        earned_BT, log_B = model.rewards_and_log_probabilities(IDS, WRITTEN)
        here_BTV = model(IDS).log_softmax(-1)
        assert torch.equal(earned_BT, model.prefix_rewards(IDS, WRITTEN))
    for row, ids in enumerate(IDS.tolist()):
        written = [place for place in range(1, len(ids)) if WRITTEN[row, place - 1]]
        expected = sum(here_BTV[row, place - 1, ids[place]].item() for place in written)
        assert log_B[row].item() == pytest.approx(expected, abs=EXACT) and expected < -0.5


def test_a_new_judge_thinks_nothing_of_anything() -> None:
    torch.manual_seed(0)
    model = ImplicitGPT(SHAPE, BETA).double().eval()
    model.reference.load_state_dict(model.state_dict(), strict=False)
    assert model.prefix_rewards(IDS, WRITTEN).abs().max() < EXACT


def test_a_judgement_is_of_the_beginning_alone() -> None:
    model = judge()
    torch.testing.assert_close(
        model.prefix_rewards(IDS[:, :7], WRITTEN[:, :7]), model.prefix_rewards(IDS, WRITTEN)[:, :7]
    )


def test_only_the_judge_learns() -> None:
    model = judge().train()
    before = copy.deepcopy(model.reference.state_dict())
    copied = model.fresh_copy()
    assert isinstance(copied, ImplicitGPT) and copied.beta == BETA
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained and not any(name.startswith("reference.") for name in trained)
    optimizer = torch.optim.SGD(trained.values(), lr=1.0)
    model.prefix_rewards(IDS, WRITTEN).sum().backward()
    for parameter in trained.values():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0
    optimizer.step()
    for name, tensor in model.reference.state_dict().items():
        assert torch.equal(tensor, before[name]), name
