"""Adapters: they begin at the model they stand beside, train alone, and merge into the same function."""

import pytest
import torch
from closeness import EXACT
from model_helpers import SHAPES, random_ids, random_model

from modou.model.gpt import GPT
from modou.model.lora import AdaptedGPT, Adapters, LoRALinear

RANK = 3


def adapted(name: str) -> tuple[GPT, AdaptedGPT]:
    """A model, and the same with adapters."""
    base = random_model(SHAPES[name])
    model = AdaptedGPT(SHAPES[name], Adapters(RANK, 6.0)).eval()
    missing, unexpected = model.load_state_dict(base.state_dict(), strict=False)
    assert not unexpected and all("lora_" in name for name in missing)
    return base, model


def push(model: AdaptedGPT) -> None:
    """Adapters that change something."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_it_begins_as_the_model_itself(name: str) -> None:
    base, model = adapted(name)
    ids_BT = random_ids(2, 9)
    assert torch.equal(model(ids_BT), base(ids_BT))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_merged_it_computes_the_same(name: str) -> None:
    base, model = adapted(name)
    push(model)
    ids_BT = random_ids(2, 9)
    merged = model.merged()
    assert type(merged) is GPT and not any(isinstance(module, LoRALinear) for module in merged.modules())
    torch.testing.assert_close(merged(ids_BT), model(ids_BT), rtol=0, atol=EXACT)
    assert not torch.allclose(merged(ids_BT), base(ids_BT), atol=1e-2)


def test_only_the_adapters_are_trained() -> None:
    base, model = adapted("modern")
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    push(model)
    model.train().loss(random_ids(2, 9), random_ids(2, 9, 1)).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == ("lora_" in name) == parameter.requires_grad
        if "lora_" in name:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0
    for name, tensor in before.items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_every_matrix_of_the_blocks_has_one_and_nothing_else() -> None:
    _, model = adapted("rope")
    names = {name.rsplit(".", 2)[-2] for name, _ in model.named_parameters() if "lora_" in name}
    assert names == {"qkv", "out", "up", "down"}
    count = sum(isinstance(module, LoRALinear) for module in model.modules())
    assert count == 4 * SHAPES["rope"].layers


def test_a_twin_has_the_same_adapters() -> None:
    _, model = adapted("learned")
    twin = model.fresh_copy()
    assert isinstance(twin, AdaptedGPT) and twin.adapters == model.adapters
    assert {n: p.shape for n, p in twin.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}
