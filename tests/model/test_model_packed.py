"""Rows of several documents: each is read as if it stood alone."""

import pytest
import torch
from closeness import assert_close_sums
from model_helpers import SHAPES, random_ids, random_model

from modou.model.attention import attend, document_mask

LENGTHS = (5, 9, 1, 12)


def packed_row() -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    parts = [random_ids(1, length, seed) for seed, length in enumerate(LENGTHS)]
    starts = [sum(LENGTHS[:n]) for n, length in enumerate(LENGTHS) for _ in range(length)]
    return parts, torch.cat(parts, dim=1), torch.tensor([starts])


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_packed_equals_unpacked(name: str) -> None:
    model = random_model(SHAPES[name]).double()
    parts, ids_BT, start_BT = packed_row()
    together_BTD = model.hidden(ids_BT, start_BT=start_BT)
    alone_BTD = torch.cat([model.hidden(part) for part in parts], dim=1)
    assert_close_sums(together_BTD, alone_BTD)  # other rows of the float32 table of positions


@torch.no_grad()
def test_without_the_mask_they_would_differ() -> None:
    model = random_model(SHAPES["modern"])
    _, ids_BT, start_BT = packed_row()
    difference = (model.hidden(ids_BT) - model.hidden(ids_BT, start_BT=start_BT)).abs().max()
    assert difference > 0.1


def test_one_document_a_row_is_plain_causal_attention() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 7, 4, dtype=torch.float64) for _ in range(3))
    mask = document_mask(torch.zeros(2, 7, dtype=torch.long))
    torch.testing.assert_close(attend(query, key, value, mask), attend(query, key, value))


def test_the_mask_by_hand() -> None:
    mask = document_mask(torch.tensor([[0, 0, 2, 2, 4]]))
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1],
    ]
