"""Tokens added to a trained model: nothing it said of the others changes."""

import pytest
import torch
from closeness import EXACT
from model_helpers import SHAPES, VOCABULARY, random_model

from modou.model.growth import with_added_tokens

SPELLED = [[3, 5, 7], [3, 5], [96]]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("layout", SHAPES)
def test_old_scores_stay_and_new_ones_are_means(layout: str, tied: bool) -> None:
    model = random_model(SHAPES[layout].changed(tied=tied))
    drawn = torch.random.get_rng_state()
    larger = with_added_tokens(model, SPELLED)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert larger.settings == model.settings.changed(vocabulary=VOCABULARY + 3) and not larger.training
    before, after = model.state_dict(), larger.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in after.items():
        assert torch.equal(tensor[: len(before[name])], before[name])
    ids_BT = torch.randint(0, VOCABULARY, (2, 20))
    with torch.no_grad():
        old_BTV, new_BTV = model(ids_BT), larger(ids_BT)
    torch.testing.assert_close(new_BTV[..., :VOCABULARY], old_BTV, rtol=0, atol=EXACT)
    means_BTV = torch.stack([old_BTV[..., ids].mean(-1) for ids in SPELLED], -1)
    torch.testing.assert_close(new_BTV[..., VOCABULARY:], means_BTV, rtol=0, atol=EXACT)


def test_nothing_to_add_is_the_model_itself() -> None:
    model = random_model(SHAPES["modern"])
    assert with_added_tokens(model, []) is model
