"""The one attention function: fast equals explicit, weights are a causal distribution."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from modou.model.attention import Attend, attend, attend_by_products, attend_in_float32, causal_mask


def attend_explicitly(query_BHTS: Tensor, key_BKPS: Tensor, value_BKPS: Tensor) -> tuple[Tensor, Tensor]:
    """Attention by its formula: (output (B, H, T, S), weights (B, H, T, P), rows sum to 1)."""
    groups = query_BHTS.shape[1] // key_BKPS.shape[1]
    key_BHPS, value_BHPS = key_BKPS.repeat_interleave(groups, 1), value_BKPS.repeat_interleave(groups, 1)
    scores_BHTP = query_BHTS @ key_BHPS.transpose(-1, -2) * query_BHTS.shape[-1] ** -0.5
    mask_TP = causal_mask(query_BHTS.shape[2], key_BKPS.shape[2], query_BHTS.device)
    weights_BHTP = scores_BHTP.masked_fill(~mask_TP, float("-inf")).softmax(-1)
    return weights_BHTP @ value_BHPS, weights_BHTP


def queries_keys_values(seed: int, groups: int, kv_heads: int, new: int, earlier: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(2, groups * kv_heads, new, 8), *[(2, kv_heads, earlier + new, 8)] * 2]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


CASE = st.builds(
    queries_keys_values,
    seed=st.integers(0, 2**31),
    groups=st.integers(1, 4),
    kv_heads=st.integers(1, 3),
    new=st.integers(1, 20),
    earlier=st.integers(0, 20),
)


@settings(max_examples=80, deadline=None)
@given(CASE)
def test_fast_equals_explicit(tensors: list[Tensor]) -> None:
    mix_BHTS, weights_BHTP = attend_explicitly(*tensors)
    assert torch.allclose(attend(*tensors), mix_BHTS, atol=1e-12)
    new, total = weights_BHTP.shape[-2:]
    assert torch.allclose(weights_BHTP.sum(-1), torch.ones((), dtype=torch.float64), atol=1e-12)
    assert (weights_BHTP >= 0).all()
    future_TP = torch.arange(total) > torch.arange(total - new, total)[:, None]
    assert (weights_BHTP[:, :, future_TP] == 0).all()
    assert torch.equal(causal_mask(new, total, torch.device("cpu")), ~future_TP)


def test_explicit_is_the_formula_written_as_loops() -> None:
    query_BHTS, key_BKPS, value_BKPS = queries_keys_values(0, groups=2, kv_heads=2, new=3, earlier=2)
    mix_BHTS, _ = attend_explicitly(query_BHTS, key_BKPS, value_BKPS)
    for head in range(4):
        for step in range(3):
            key_PS, value_PS = key_BKPS[1, head // 2, : step + 3], value_BKPS[1, head // 2, : step + 3]
            powers = [((query_BHTS[1, head, step] * key_S).sum() / 8**0.5).exp() for key_S in key_PS]
            expected_S = sum(power * value_S for power, value_S in zip(powers, value_PS, strict=True))
            assert torch.allclose(mix_BHTS[1, head, step], expected_S / sum(powers), atol=1e-12)


@pytest.mark.parametrize("kernel", [attend, attend_in_float32, attend_by_products])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("earlier", [0, 4])
def test_gradients_are_equal_too(groups: int, earlier: int, kernel: Attend) -> None:
    tensors = queries_keys_values(1, groups, 2, 5, earlier)
    for tensor in tensors:
        tensor.requires_grad_()
    probe_BHTS = torch.randn(tensors[0].shape, dtype=torch.float64)
    fast = torch.autograd.grad((kernel(*tensors) * probe_BHTS).sum(), tensors)
    explicit = torch.autograd.grad((attend_explicitly(*tensors)[0] * probe_BHTS).sum(), tensors)
    for one, two in zip(fast, explicit, strict=True):
        assert torch.allclose(one, two, atol=1e-12)


@pytest.mark.parametrize("kernel", [attend_in_float32, attend_by_products])
def test_kernels_keep_to_a_mask(kernel: Attend) -> None:
    tensors = queries_keys_values(2, 2, 2, 6, 0)
    mask_B1TT = causal_mask(6, 6, torch.device("cpu")).expand(2, 1, 6, 6).clone()
    mask_B1TT[1, 0, 3:, :2] = False
    for tensor in tensors:
        tensor.requires_grad_()
    assert torch.equal(kernel(*tensors, mask_B1TT), attend(*tensors, mask_B1TT))
