"""Log-probabilities of a text do not depend on how many logits are held at once."""

import pytest
import torch
from model_helpers import SHAPES, VOCABULARY, random_ids, random_model

from modou.model import scoring
from modou.model.scoring import score_hidden, score_tokens


@pytest.mark.parametrize("positions", [1, 3, 1000])
@pytest.mark.parametrize("layout", SHAPES)
def test_few_logits_at_once(layout: str, positions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(SHAPES[layout])
    ids_BT, target_BT = random_ids(3, 20), random_ids(3, 20, seed=1)
    mask_BT = torch.rand(3, 20, generator=torch.Generator().manual_seed(2)).round().long()
    with torch.no_grad():
        whole_BT, _ = score_hidden(model, model.hidden(ids_BT), target_BT, mask_BT)
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", positions * VOCABULARY)
    found_BT = score_tokens(model, ids_BT, target_BT, mask_BT)
    assert (found_BT == 0).equal(mask_BT == 0)
    torch.testing.assert_close(found_BT, whole_BT, atol=1e-4, rtol=1e-5)


def test_nothing_to_score() -> None:
    model = random_model(SHAPES["modern"])
    assert not score_tokens(model, random_ids(2, 5), random_ids(2, 5), torch.zeros(2, 5)).any()
